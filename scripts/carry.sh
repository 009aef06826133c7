#!/usr/bin/env bash
# What scripts/train_release.sh needs on a machine without network, gathered on one that has it:
#
#     scripts/carry.sh WHEELS [DEBS]
#
#   WHEELS   the wheels of .[render,train] for PYTHON (default python3; the other machine's version), torch and
#            all that it brings along left out: PYTHON has to have it here, and there
#   DEBS     amsynth's and ZynAddSubFX's packages (on Debian)
set -euo pipefail
wheels=$(mkdir -p "${1:?usage: scripts/carry.sh WHEELS [DEBS]}" && cd "$1" && pwd)
debs=${2:+$(mkdir -p "$2" && cd "$2" && pwd)}
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
report=$(mktemp)
trap 'rm -f "$report"' EXIT

# What PYTHON has already (torch's own needs) may differ from the versions that are tried together.
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
