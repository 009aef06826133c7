"""Builds our own synth with the troubles of real plugins (`odd_synth/`) on Debian's DPF, with g++."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import yaml

from tests.support.presets.plugins import require_plugin

Build = Callable[..., Path]
"""The type of the fixture `odd`, which builds as `build_odd` does."""
SOURCE = Path(__file__).parent / "odd_synth"
DPF = "/usr/share/dpf/distrho"


def build_odd(folder: Path, name: str = "Odd", kind: str = "vst2", **macros: object) -> Path:
    """Returns the plugin, built with `macros`: `build_odd(folder, LATENCY=4096)` sets ODD_LATENCY."""
    distrho = require_plugin(DPF, "dpf-source")
    require_plugin(shutil.which("g++") or "g++", "g++")
    plugin = folder / f"{name}.{'so' if kind == 'vst2' else 'vst3'}"
    binary = plugin if kind == "vst2" else plugin / "Contents" / "x86_64-linux" / f"{name}.so"
    binary.parent.mkdir(parents=True, exist_ok=True)
    spelled = {f"ODD_{key}": value for key, value in macros.items()}
    flags = [f'-DODD_NAME="{name}"', *(f"-D{key}={value}" for key, value in spelled.items())]
    sources = [SOURCE / "OddSynth.cpp", distrho / "DistrhoPluginMain.cpp"]
    common = ["-O1", "-fPIC", "-shared", "-std=gnu++14", "-w", f"-I{SOURCE}", f"-I{distrho}", "-lpthread"]
    target = f"-DDISTRHO_PLUGIN_TARGET_{kind.upper()}"
    subprocess.run(["g++", *common, target, *flags, "-o", binary, *sources], check=True)
    return plugin


ENVELOPE = {
    stage: {"parameter": stage.capitalize(), "curve": {"kind": "linear", "scale": scale}}
    for stage, scale in {"attack": 2000.0, "decay": 2000.0, "sustain": 1.0, "release": 2000.0}.items()
}
"""The synth's laws: times up to 2 s, as values of 0..1, in straight lines."""
PINS = {"Attack": 0.0, "Decay": 0.0, "Sustain": 1.0, "Release": 0.0}


def odd_profile(plugin: Path, **fields: object) -> Path:
    """Writes the synth's profile, with `fields` besides the usual ones, and returns its path."""
    names = ["Attack", "Decay", "Sustain", "Release", "Tone"]
    content: dict[str, object] = {
        "name": plugin.stem.lower(),
        "kind": "vst3" if plugin.suffix == ".vst3" else "vst2",
        "plugin": plugin.name,
        "deterministic": True,
        "warm_up_s": 0.05,
        "obeys_all_sound_off": True,
        "parameters": {name: [0, 1, {"Sustain": 1, "Tone": 0.5}.get(name, 0)] for name in names},
        "pinned": {name: {"value": value, "why": "the envelope is ours"} for name, value in PINS.items()},
        "envelope": {**ENVELOPE, "shape": "linear"},
        **fields,
    }
    text = yaml.safe_dump(content)
    # A process reads a profile once: another one needs another name.
    path = plugin.with_name(f"{plugin.stem}-{crc32(text.encode()):08x}.yaml")
    path.write_text(text)
    return path
