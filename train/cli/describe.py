"""`python -m train describe`: measures a recording's notes, envelope and timbre."""

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
"""Tempo of MIDI files, in µs per beat: 120 beats per minute."""


def describe_command(
    checkpoint: Checkpoint,
    recording: Annotated[Path, typer.Argument(help="Recording to describe.")],
    midi: Annotated[Path | None, typer.Option(help="MIDI file to write the notes to.")] = None,
) -> None:
    """Print a recording's envelope, notes, octave and nearest known timbres as JSON.

    Confidences are probabilities that a number is within 20% of the true one (sustain: within 0.05).
    """
    codec = load_codec(checkpoint)
    description = codec.describe(read_for(codec, recording))
    warn(description.doubts)
    if midi is not None:
        with writing(midi):
            files.replace(midi, midi_file(description.notes, beat_us=BEAT_US))
        typer.echo(f"{midi}: {len(description.notes)} notes", err=True)
    report = {
        "envelope": envelope_json(description.envelope) if description.notes else None,
        "confidence": description.confidence,
        "octave": description.octave if description.notes else None,
        "octave_probability": round(description.octave_probability, 3) if description.notes else None,
        "misfit_db": round(description.misfit_db, 2),
        "runner_up": envelope_json(description.runner_up) if description.runner_up else None,
        "runner_up_misfit_db": round(description.runner_up_misfit_db, 2),
        "nearest_timbres": [{"name": name, "probability": value} for name, value in description.nearest],
        "notes": notes_json(description.notes),
    }
    typer.echo(json.dumps(report, indent=1))
