"""Recordings for the commands: files as a codec wants them, with a word on what had to be changed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import typer

from manifests.types import InputError
from train.audio.files import read_recording, write_audio
from train.codec.api import Codec
from train.systems.base import Audio


def load_for(codec: Codec, path: Path) -> Audio:
    """A file as the codec wants it; what had to be converted is said on stderr."""
    recording = read_recording(path, codec.rate)
    if recording.channels > 1:
        typer.echo(f"{path}: {recording.channels} channels, mixed to mono", err=True)
    if recording.rate != codec.rate:
        typer.echo(f"{path}: {recording.rate} Hz, resampled to {codec.rate} Hz", err=True)
    return recording.audio


def save_for(codec: Codec, path: Path, audio: Audio) -> None:
    """Writes a conversion; if it had to be made softer to fit the file, that is said on stderr."""
    factor = write_audio(path, audio, codec.rate)
    if factor < 1.0:
        typer.echo(
            f"{path}: {-20.0 * math.log10(factor):.1f} dB softer, to keep its peaks in 16 bits", err=True
        )


@contextmanager
def naming(names: Mapping[str, Path]) -> Iterator[None]:
    """What is wrong with the `source` (`reference`, `recording`) is said of its file."""
    try:
        yield
    except InputError as error:
        raise InputError(_named(str(error), names)) from None


def warn(doubts: tuple[str, ...], names: Mapping[str, Path]) -> None:
    """Prints a system's doubts on stderr, with the files' names for `source`, `reference`, `recording`."""
    for line in doubts:
        typer.echo(f"warning: {_named(line, names)}", err=True)


def _named(line: str, names: Mapping[str, Path]) -> str:
    role, _, rest = line.partition(": ")
    return f"{names[role]}: {rest}" if role in names else line
