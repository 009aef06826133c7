"""Recordings for the commands: what was changed while reading or writing them is printed on stderr."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import typer

from train.codec.api import Codec, ConversionResult
from train.codec.recordings import Recording


def read_for(codec: Codec, path: Path) -> Recording:
    """Reads a file as the codec takes it; prints what had to be converted."""
    recording = codec.read(path)
    for line in recording.changes:
        typer.echo(line, err=True)
    return recording


def save_result(result: ConversionResult, path: Path) -> None:
    """Writes a conversion; prints by how much it had to be attenuated to fit the file."""
    factor = result.save(path)
    if factor < 1.0:
        typer.echo(
            f"{path}: {-20.0 * math.log10(factor):.1f} dB softer, to keep its peaks in 16 bits", err=True
        )


def warn(doubts: Sequence[str]) -> None:
    """Prints a system's doubts on stderr."""
    for line in doubts:
        typer.echo(f"warning: {line}", err=True)
