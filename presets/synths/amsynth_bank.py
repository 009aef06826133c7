"""Reads amsynth's bank files: plain text, a `<preset> <name>` line and `<parameter>` lines per preset.

Values are in each parameter's own range. Parameters that a preset leaves out have their default.
"""

from __future__ import annotations

from pathlib import Path

from manifests.types import InputError, shown

MAGIC = "amSynth"
PRESET = "<preset> <name>"
PARAMETER = "<parameter>"


def read_bank(path: Path) -> list[tuple[str, dict[str, float]]]:
    """Reads the presets of a bank in file order: (name, parameter values).

    Raises InputError that names file and line if the file is not an amsynth bank.

    Example::

        name, values = read_bank(Path("/usr/share/amsynth/banks/BriansBank01.bank"))[12]
    """
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    if not lines or lines[0].strip() != MAGIC:
        raise InputError(f"{path}: not an amsynth bank; expected {MAGIC!r} in the first line")
    presets: list[tuple[str, dict[str, float]]] = []
    for number, line in enumerate(lines[1:], start=2):
        if line.startswith(PRESET):
            presets.append((line[len(PRESET) :].strip(), {}))
        elif line.startswith(PARAMETER):
            try:
                name, text = line[len(PARAMETER) :].split()
                presets[-1][1][name] = float(text)
            except (ValueError, IndexError):
                raise InputError(
                    f"{path} line {number}: expected '<parameter> name number' within a preset"
                ) from None
    return presets


def bank_name(path: Path) -> str:
    """Returns a bank's name in preset addresses: the file name up to the first dot."""
    return shown(path.name.split(".")[0])
