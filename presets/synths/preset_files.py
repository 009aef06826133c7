"""Presets of any plugin as files: which ones there are in a folder, and what is in them.

.fxp .fxb    VST2 preset and bank, also what DawDreamer's save_state writes for a VST2
.state       the bytes that save_state wrote (VST2)
.vstpreset   VST3 preset
.xiz         ZynAddSubFX instrument
.yaml        bare parameter values: preset's name -> {parameter: value in the profile's unit}
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from manifests.types import InputError

LARGEST = 8 << 20
FORMATS = {
    "vst2": {".fxp": "fxp", ".fxb": "fxp", ".state": "fxp"},
    "vst3": {".vstpreset": "vstpreset"},
    "faust": {},
}
VST2_MAGIC = b"CcnK"
VST3_MAGIC = b"VST3"


@dataclass(frozen=True)
class PresetFile:
    """One preset of a folder: its address within it, name, state (format, bytes) and bare values."""

    address: str
    name: str
    state: tuple[str, bytes] | None
    values: dict[str, float]


def read_preset_folder(folder: Path, kind: Literal["faust", "vst2", "vst3"], xiz: bool) -> list[PresetFile]:
    """The presets below a folder in the order of their paths; InputError names the file that is damaged."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of presets")
    formats = {".xiz": "xiz"} if xiz else FORMATS[kind]
    found: list[PresetFile] = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        address = path.relative_to(folder).as_posix()
        if path.suffix in (".yaml", ".yml") and not xiz:
            found += _bare(path, address)
        elif path.suffix in formats:
            found.append(PresetFile(address, path.stem, (formats[path.suffix], _bytes(path)), {}))
    return found


def _bytes(path: Path) -> bytes:
    data = path.read_bytes()
    if len(data) > LARGEST:
        raise InputError(f"{path}: {len(data)} bytes; a preset has at most {LARGEST}")
    magic = {".vstpreset": VST3_MAGIC, ".xiz": b""}.get(path.suffix, VST2_MAGIC)
    # A plugin may take a wrong file in silence and go on with its own sound.
    if not data.startswith(magic) or not data:
        raise InputError(
            f"{path}: not a {path.suffix} file (it should begin with {magic.decode() or 'data'!r})"
        )
    return data


def _bare(path: Path, address: str) -> list[PresetFile]:
    try:
        loaded = yaml.safe_load(path.read_bytes())
        presets = {
            str(name): {str(key): float(value) for key, value in values.items()}
            for name, values in loaded.items()
        }
    except (yaml.YAMLError, AttributeError, TypeError, ValueError):
        raise InputError(f"{path}: expected a mapping from preset names to parameter values") from None
    return [PresetFile(f"{address}/{name}", name, None, values) for name, values in presets.items()]
