"""`python -m train describe`: what the codec hears in a recording."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from manifests.dataset import files
from manifests.synthesis.midi_file import midi_file
from train.audio.files import writing
from train.cli.convert import Checkpoint
from train.cli.recordings import read_for, warn
from train.codec.api import load_codec
from train.codec.factors import envelope_json, notes_json

BEAT_US = 500_000
"""A file's tempo: 120 beats a minute."""


def describe_command(
    checkpoint: Checkpoint,
    recording: Annotated[Path, typer.Argument(help="Recording to describe.")],
    midi: Annotated[Path | None, typer.Option(help="Write the notes as a .mid as well.")] = None,
) -> None:
    """Print what the codec hears in a recording as JSON: envelope, notes, octave, nearest timbres.

    A confidence is the probability of being within 20% (sustain: within 0.05).
    """
    codec = load_codec(checkpoint)
    said = codec.describe(read_for(codec, recording))
    warn(said.doubts)
    if midi is not None:
        with writing(midi):
            files.replace(midi, midi_file(said.notes, beat_us=BEAT_US))
        typer.echo(f"{midi}: {len(said.notes)} notes", err=True)
    told = {
        "envelope": envelope_json(said.envelope) if said.notes else None,
        "confidence": said.confidence,
        "octave": said.octave if said.notes else None,
        "nearest_timbres": [{"name": name, "probability": value} for name, value in said.nearest],
        "notes": notes_json(said.notes),
    }
    typer.echo(json.dumps(told, indent=1))
