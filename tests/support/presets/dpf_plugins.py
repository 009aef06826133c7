"""DPF's instruments Nekobi and Kars: saved states, and VST3 builds from source.

Debian ships them as VST2 only, but its source package holds DPF's VST3 side, too.
"""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import json, sys, dawdreamer
engine = dawdreamer.RenderEngine(44100, 512)
synth = engine.make_plugin_processor("synth", sys.argv[1])
index = {row["name"]: row["index"] for row in synth.get_parameters_description()}
for name, value in json.loads(sys.argv[2]).items():
    synth.set_parameter(index[name], value)
engine.load_graph([(synth, [])])
engine.render(0.1)
synth.save_state(sys.argv[3])
"""


def save_state(plugin: Path, values: dict[str, float], path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    command = [sys.executable, "-c", PROGRAM, str(plugin), json.dumps(values), str(path)]
    subprocess.run(command, check=True, capture_output=True, env=environment)


NEKOBI_CLASS = b"2046504473616C636B654E4400000000"
"""The class id of DPF's Nekobi as a .vstpreset spells it."""


def build_vst3(folder: Path) -> dict[str, Path]:
    """Builds Nekobi.vst3 and Kars.vst3 without windows from Debian's dpf-plugins source. Needs g++."""
    source = _source(folder)
    built = {}
    for name in ("Nekobi", "Kars"):
        plugin = source / "plugins" / name
        info = plugin / "DistrhoPluginInfo.h"
        info.write_text(re.sub(r"(DISTRHO_PLUGIN_HAS_UI\s+)1", r"\g<1>0", info.read_text()))
        bundle = folder / f"{name}.vst3"
        binary = bundle / "Contents" / "x86_64-linux" / f"{name}.so"
        binary.parent.mkdir(parents=True)
        distrho = source / "dpf" / "distrho"
        flags = [
            "-O2",
            "-fPIC",
            "-shared",
            "-std=gnu++14",
            "-DDISTRHO_PLUGIN_TARGET_VST3",
            f"-I{plugin}",
            f"-I{distrho}",
        ]
        files = [plugin / f"DistrhoPlugin{name}.cpp", distrho / "DistrhoPluginMain.cpp"]
        subprocess.run(["g++", *flags, "-o", binary, *files, "-lpthread"], check=True, capture_output=True)
        built[name] = bundle
    return built


def _source(folder: Path) -> Path:
    # The machine's package archive, with sources enabled.
    where = [
        "apt-get",
        "indextargets",
        "--format",
        "$(REPO_URI) $(CODENAME) $(COMPONENT)",
        "Created-By: Packages",
    ]
    archives = subprocess.run(where, check=True, capture_output=True, text=True).stdout.splitlines()
    keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
    main = next(line for line in archives if line.endswith(" main") and "debian/" in line)
    for place in ("lists/partial", "cache/archives/partial"):
        (folder / place).mkdir(parents=True)
    (folder / "sources.list").write_text(f"deb-src [signed-by={keys}] {main}\n")
    options = {"Dir::Etc::sourcelist": "sources.list", "Dir::State::lists": "lists", "Dir::Cache": "cache"}
    apt = ["apt-get", "-qq", "-o", "Dir::Etc::sourceparts=/dev/null"]
    apt += [f"-o{name}={folder / place}" for name, place in options.items()]
    subprocess.run([*apt, "update"], check=True, capture_output=True)
    # Only the upstream tarball is needed: Debian's packaging may have another version.
    subprocess.run([*apt, "source", "--download-only", "dpf-plugins"], cwd=folder, capture_output=True)
    (archive,) = folder.glob("dpf-plugins_*.orig.tar.xz")
    subprocess.run(["tar", "xf", archive], cwd=folder, check=True)
    (source,) = folder.glob("dpf-plugins-*/")
    return source


def nekobi_vstpreset(cutoff: int) -> bytes:
    """Returns a .vstpreset of Nekobi: DPF stores parameters as names and numbers separated by zeros."""
    pairs = f"__dpf_parameters_begin__;cutoff;{cutoff};decay;75;volume;75;__dpf_parameters_end__;"
    state = pairs.replace(";", "\0").encode() + b"\xfe\0"
    start = 48
    end = start + len(state)
    listed = b"List" + struct.pack("<i", 1) + b"Comp" + struct.pack("<qq", start, len(state))
    return b"VST3" + struct.pack("<i", 1) + NEKOBI_CLASS + struct.pack("<q", end) + state + listed
