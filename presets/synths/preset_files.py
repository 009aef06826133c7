"""Reads preset files of any plugin from a folder.

.fxp .fxb    VST2 preset and bank, also what DawDreamer's save_state writes for a VST2
.state       the bytes that save_state wrote (VST2)
.vstpreset   VST3 preset
.xiz         ZynAddSubFX instrument
.yaml        parameter values: preset name -> {parameter: value in the profile's unit}
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from manifests.types import InputError

MAX_BYTES = 8 << 20
FORMATS = {
    "vst2": {".fxp": "fxp", ".fxb": "fxp", ".state": "fxp"},
    "vst3": {".vstpreset": "vstpreset"},
    "faust": {},
}
VST2_MAGIC = b"CcnK"
VST3_MAGIC = b"VST3"


@dataclass(frozen=True)
class PresetFile:
    """Holds one preset of a folder.

    `address` is the path within the folder, `state` the format and bytes of a plugin's file, `values` the
    parameter values of a .yaml file.
    """

    address: str
    name: str
    state: tuple[str, bytes] | None
    values: dict[str, float]


def read_preset_folder(folder: Path, kind: Literal["faust", "vst2", "vst3"], xiz: bool) -> list[PresetFile]:
    """Reads the presets of a folder and its subfolders, sorted by path.

    `kind` is the plugin's kind; with `xiz`, ZynAddSubFX instruments are read instead of its formats. Raises
    InputError if the folder is missing, or names the file that is damaged.

    Example::

        addresses = [file.address for file in read_preset_folder(Path("presets"), "vst2", xiz=False)]
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of presets")
    formats = {".xiz": "xiz"} if xiz else FORMATS[kind]
    presets: list[PresetFile] = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        address = path.relative_to(folder).as_posix()
        if path.suffix in (".yaml", ".yml") and not xiz:
            presets += _parameter_presets(path, address)
        elif path.suffix in formats:
            presets.append(PresetFile(address, path.stem, (formats[path.suffix], _bytes(path)), {}))
    return presets


def _bytes(path: Path) -> bytes:
    data = path.read_bytes()
    if len(data) > MAX_BYTES:
        raise InputError(f"{path}: {len(data)} bytes; a preset has at most {MAX_BYTES}")
    magic = {".vstpreset": VST3_MAGIC, ".xiz": b""}.get(path.suffix, VST2_MAGIC)
    # A plugin may ignore a wrong file without an error and keep its own sound.
    if not data.startswith(magic) or not data:
        raise InputError(
            f"{path}: not a {path.suffix} file (it should begin with {magic.decode() or 'data'!r})"
        )
    return data


def _parameter_presets(path: Path, address: str) -> list[PresetFile]:
    try:
        loaded = yaml.safe_load(path.read_bytes())
        presets = {
            str(name): {str(key): float(value) for key, value in values.items()}
            for name, values in loaded.items()
        }
    except (yaml.YAMLError, AttributeError, TypeError, ValueError):
        raise InputError(f"{path}: expected a mapping from preset names to parameter values") from None
    return [PresetFile(f"{address}/{name}", name, None, values) for name, values in presets.items()]
