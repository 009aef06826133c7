"""Reads and writes recordings for the commands, and prints on stderr what was changed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import typer

from train.codec.api import Codec, ConversionResult
from train.codec.recordings import Recording, read_file


def read_for(codec: Codec, path: Path, read: Callable[[Path, int], Recording] = read_file) -> Recording:
    """Reads an audio file at the codec's rate by `read`, and prints what was converted.

    Raises InputError if the file cannot be read.
    """
    recording = read(path, codec.rate)
    for line in recording.changes:
        typer.echo(line, err=True)
    return recording


def save_result(result: ConversionResult, path: Path) -> None:
    """Writes a conversion, and prints by how much it was attenuated.

    Raises InputError if the file cannot be written.
    """
    factor = result.save(path)
    if factor < 1.0:
        typer.echo(
            f"{path}: {-20.0 * math.log10(factor):.1f} dB softer, so that its peaks fit 16 bits", err=True
        )


def warn(doubts: Sequence[str]) -> None:
    """Prints what a system could not measure, one warning each."""
    for line in doubts:
        typer.echo(f"warning: {line}", err=True)
