#!/usr/bin/env bash
# Downloads what scripts/train_release.sh needs on a machine without network. Run it on a machine with network:
#
#     scripts/carry.sh WHEELS [DEBS]
#
#   WHEELS   folder for the wheels of .[render,train]
#   DEBS     folder for the Debian packages of amsynth and ZynAddSubFX
#
# PYTHON (default: python3) must have the version of the other machine's Python. Torch must be installed on both
# machines: torch and its dependencies are not downloaded.
set -euo pipefail
wheels=$(mkdir -p "${1:?usage: scripts/carry.sh WHEELS [DEBS]}" && cd "$1" && pwd)
debs=${2:+$(mkdir -p "$2" && cd "$2" && pwd)}
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
report=$(mktemp)
trap 'rm -f "$report"' EXIT

# Packages that PYTHON already has keep their version, so constraints.txt applies only to the others.
"$python" - > "$report.pins" <<'END'
from importlib.metadata import distributions
from pathlib import Path

there = {d.metadata["Name"].lower().replace("_", "-") for d in distributions()}
for line in Path("constraints.txt").read_text().splitlines():
    if line and line[0] != "#" and line.split("==")[0].lower().replace("_", "-") not in there:
        print(line)
END
trap 'rm -f "$report" "$report.pins"' EXIT
"$python" -m pip install -q --dry-run --report "$report" -c "$report.pins" '.[render,train]'
"$python" - "$report" <<'END' | xargs "$python" -m pip download -q --no-deps -d "$wheels" 'setuptools>=77'
import json, sys

for item in json.load(open(sys.argv[1]))["install"]:
    if (about := item["metadata"])["name"] != "triptych-audio":
        print(f"{about['name']}=={about['version']}")
END
[ -z "$debs" ] || (cd "$debs" && apt-get download -q amsynth zynaddsubfx-vst zynaddsubfx-data)
