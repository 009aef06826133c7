"""Builds small VST2 synths of this project's own from Debian's DPF (package dpf-source). Needs g++.

A build takes a few seconds, so it is kept in the system's temporary folder under a hash of its sources.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

DPF = Path("/usr/share/dpf/distrho")
HERE = Path(__file__).parent


def build_vst2(source: str, macros: Mapping[str, str | float] | None = None) -> Path:
    """Builds the plugin in the folder `source` beside this file with `macros`; returns its .so.

    Skips the test where DPF or g++ is missing, unless CI requires plugins.
    """
    if not DPF.exists() or shutil.which("g++") is None:
        if os.environ.get("TRIPTYCH_REQUIRE_PLUGINS") == "1":
            pytest.fail("TRIPTYCH_REQUIRE_PLUGINS=1: apt-get install g++ dpf-source")
        pytest.skip("needs g++ and DPF: apt-get install g++ dpf-source")
    folder = HERE / source
    defined = [f"-D{name}={value}" for name, value in sorted((macros or {}).items())]
    parts = [path.read_bytes() for path in sorted(folder.iterdir())]
    digest = hashlib.sha256(b"\0".join([*parts, *(flag.encode() for flag in defined)])).hexdigest()[:12]
    kept = Path(tempfile.gettempdir(), f"triptych-own-synths-{os.getuid()}")
    kept.mkdir(exist_ok=True, mode=0o700)
    built = kept / f"{folder.name}-{digest}.so"
    if not built.exists():
        made = kept / f"{built.name}.{os.getpid()}"
        flags = ["-O2", "-fPIC", "-shared", "-std=gnu++14", "-DDISTRHO_PLUGIN_TARGET_VST2"]
        files = [*sorted(folder.glob("*.cpp")), DPF / "DistrhoPluginMain.cpp"]
        subprocess.run(
            ["g++", *flags, *defined, f"-I{folder}", f"-I{DPF}", "-o", made, *files, "-lpthread"],
            check=True,
            capture_output=True,
        )
        made.replace(built)
    return built


def law_synth_profile(
    folder: Path, decay_scale: float = 4000.0, curve: str = "linear", **macros: float
) -> Path:
    """Builds LawSynth and writes a profile of it into `folder`; returns the profile's path.

    The profile states the decay at sustain 0 and key 60, as a calibration at these would: it holds there
    only.
    """
    plugin = build_vst2("law_synth", {f"LAW_{name.upper()}": value for name, value in macros.items()})
    cubic = {"kind": "cubic", "scale": 4000.0, "offset": 0.0}
    envelope = {
        stage: {"parameter": stage.title(), "curve": cubic} for stage in ("attack", "decay", "release")
    }
    envelope["decay"] = {"parameter": "Decay", "curve": {**cubic, "scale": decay_scale}}
    envelope["sustain"] = {"parameter": "Sustain", "curve": {"kind": "linear", "scale": 1.0}}
    profile = {
        "name": "law",
        "kind": "vst2",
        "plugin": str(plugin),
        "deterministic": True,
        "warm_up_s": 0.2,
        "obeys_all_sound_off": True,
        "parameters": {
            "Attack": [0, 1, 0],
            "Decay": [0, 1, 0],
            "Sustain": [0, 1, 1],
            "Release": [0, 1, 0],
            "Shape": [0, 1, 0],
            "Tone": [0, 1, 0],
        },
        "pinned": {
            name: {"value": value, "why": "the amplitude envelope is ours"}
            for name, value in (("Attack", 0), ("Decay", 0), ("Sustain", 1), ("Release", 0))
        },
        "envelope": {**envelope, "shape": curve},
    }
    path = folder / "law.yaml"
    path.write_text(yaml.safe_dump(profile, sort_keys=False))
    return path
