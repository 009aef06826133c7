"""Reads preset files of any plugin from a folder.

.fxp .fxb    VST2 preset and bank, also what DawDreamer's save_state writes for a VST2
.state       the bytes that save_state wrote (VST2)
.vstpreset   VST3 preset
.xiz         ZynAddSubFX instrument
.yaml        parameter values: preset name -> {parameter: value in the profile's unit}

Endings may be in capitals. A bank of programs is as many presets; see `presets.synths.fxb`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from manifests.listing import Say, list_folder, read_at_most, say_passed_over
from manifests.types import InputError, InputErrors, shown
from presets.synths.fxb import check_size, opaque_programs, programs

MAX_BYTES = 8 << 20
FORMATS = {
    "vst2": {".fxp": "fxp", ".fxb": "fxp", ".state": "fxp"},
    "vst3": {".vstpreset": "vstpreset"},
    "faust": {},
}
VST2_MAGIC = b"CcnK"
VST3_MAGIC = b"VST3"
CHUNK_HEADERS = {b"FPCh": 60, b"FBCh": 160}
"""Bytes before the plugin's own data in a file of that kind."""
Kind = Literal["faust", "vst2", "vst3"]


@dataclass(frozen=True)
class PresetFile:
    """Holds one preset of a folder.

    `address` is the path within the folder, then the program's number if the file is a bank. `state` is the
    format and bytes of a plugin's file, `values` the parameter values of a .yaml file.
    """

    address: str
    name: str
    state: tuple[str, bytes] | None
    values: dict[str, float]


@dataclass(frozen=True)
class PresetFolder:
    """The presets of a folder, a line of text for each file that cannot be read, and other remarks."""

    presets: list[PresetFile]
    bad: list[str]
    remarks: list[str]


def read_preset_folder(folder: Path, kind: Kind, xiz: bool) -> list[PresetFile]:
    """Reads the presets of a folder and its subfolders, sorted by path.

    `kind` is the plugin's kind; with `xiz`, ZynAddSubFX instruments are read instead of its formats. Raises
    InputError if the folder is missing, and InputErrors with all files that are damaged.

    Example::

        addresses = [file.address for file in read_preset_folder(Path("presets"), "vst2", xiz=False)]
    """
    found = scan_preset_folder(folder, kind, xiz)
    if found.bad:
        raise InputErrors(found.bad)
    return found.presets


def scan_preset_folder(folder: Path, kind: Kind, xiz: bool) -> PresetFolder:
    """Reads what can be read of a folder as `read_preset_folder` does; InputError if the folder is missing.

    Example: `scan_preset_folder(Path("presets"), "vst2", xiz=False).bad`.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of presets")
    formats = {".xiz": "xiz"} if xiz else FORMATS[kind]
    listing = list_folder(folder)
    presets: list[PresetFile] = []
    bad, taken = list(listing.unread), []
    remarks: list[str] = []
    for path in listing.files:
        address, suffix = shown(path.relative_to(folder).as_posix()), path.suffix.lower()
        try:
            if suffix in (".yaml", ".yml") and not xiz:
                presets += _parameter_presets(path, address)
            elif suffix in formats:
                presets += _state_presets(path, address, formats[suffix], remarks.append)
            else:
                continue
        except InputError as error:
            bad.append(str(error))
        taken.append(path)
    say_passed_over(folder, listing, taken, remarks.append)
    return PresetFolder(presets, bad, remarks)


def _state_presets(path: Path, address: str, kind: str, say: Say) -> list[PresetFile]:
    """Returns the presets of a plugin's file: one, or all programs of a bank."""
    data = _bytes(path)
    if kind != "fxp":
        return [PresetFile(address, shown(path.stem), (kind, data), {})]
    check_size(data, str(path))
    if (opaque := opaque_programs(data)) > 1:
        say(f"{path}: its {opaque} programs are in one chunk that only the plugin reads; taken as one preset")
    parts = programs(data, str(path))
    if parts is None:
        return [PresetFile(address, shown(path.stem), (kind, data), {})]
    return [
        PresetFile(f"{address}/{number:03d}", shown(name), (kind, part), {})
        for number, (name, part) in enumerate(parts)
    ]


def _bytes(path: Path) -> bytes:
    data = read_at_most(path, MAX_BYTES)
    if len(data) > MAX_BYTES:
        raise InputError(f"{path}: {path.stat().st_size} bytes; a preset has at most {MAX_BYTES}")
    suffix = path.suffix.lower()
    magic = {".vstpreset": VST3_MAGIC, ".xiz": b""}.get(suffix, VST2_MAGIC)
    # A plugin may ignore a wrong file without an error and keep its own sound.
    if not data.startswith(magic) or not data:
        raise InputError(f"{path}: not a {suffix} file (it should begin with {magic.decode() or 'data'!r})")
    header = CHUNK_HEADERS.get(data[8:12], len(magic))
    if magic == VST2_MAGIC and len(data) > header and not any(data[header:]):
        raise InputError(f"{path}: damaged: nothing but zeros follow its header")
    return data


def _parameter_presets(path: Path, address: str) -> list[PresetFile]:
    try:
        loaded = yaml.safe_load(path.read_bytes())
        presets = {
            str(name): {str(key): float(value) for key, value in values.items()}
            for name, values in loaded.items()
        }
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, AttributeError, TypeError, ValueError, RecursionError):
        raise InputError(f"{path}: expected a mapping from preset names to parameter values") from None
    return [PresetFile(f"{address}/{name}", name, None, values) for name, values in presets.items()]
