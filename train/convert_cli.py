"""`python -m train convert` and `describe`: the codec on files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from manifests.vocabulary import BadInput, Envelope
from train.audio import read_channels, resample, write_audio
from train.conversion import Codec, load_codec
from train.systems.base import ALL_TAKES, Audio

Checkpoint = Annotated[Path, typer.Option(help="Weights, such as RUN/best.safetensors.")]
Milliseconds = Annotated[float | None, typer.Option(min=0.0, max=60_000.0)]


def convert_command(
    checkpoint: Checkpoint,
    source: Annotated[Path, typer.Option(help="Recording whose notes are kept.")],
    out: Annotated[Path, typer.Option(help="Where to write: .wav or .flac.")],
    reference: Annotated[Path | None, typer.Option(help="Recording that is taken from.")] = None,
    take: Annotated[
        str | None, typer.Option(help="What to take of the reference: timbre, envelope or timbre,envelope.")
    ] = None,
    attack_ms: Milliseconds = None,
    hold_ms: Milliseconds = None,
    decay_ms: Milliseconds = None,
    sustain: Annotated[float | None, typer.Option(min=0.0, max=1.0)] = None,
    release_ms: Milliseconds = None,
    octave: Annotated[int | None, typer.Option(help="Octave to sound in; default: the timbre's.")] = None,
) -> None:
    """Play a recording's notes with another's timbre, envelope or both, or with an envelope by number.

    Numbers that are not given come from the envelope that is heard: the reference's where it is taken,
    else the source's.
    """
    takes = parse_take(take, reference)
    if reference is None and take is not None:
        raise BadInput("--take: needs a --reference to take from")
    codec = load_codec(checkpoint)
    sound = load_for(codec, source)
    other = load_for(codec, reference) if reference is not None else None
    numbers = {
        "attack_ms": attack_ms, "hold_ms": hold_ms, "decay_ms": decay_ms,
        "sustain": sustain, "release_ms": release_ms,
    }  # fmt: skip
    given = {name: value for name, value in numbers.items() if value is not None}
    envelope = None
    if given and not codec.by_number:
        raise BadInput(f"{checkpoint}: system {codec.system.name} takes no envelope by number")
    if given:
        heard = codec.describe(other if other is not None and "envelope" in takes else sound)[1]
        values: dict[str, Any] = {**heard.values(), **given}
        envelope = Envelope(**values)
    made = codec.convert(sound, other, takes, envelope, octave)
    write_audio(out, made.audio, codec.rate)
    if made.notes is None or made.envelope is None:
        typer.echo(f"{out}: made by {codec.system.name}, which tells no notes and no envelope")
        return
    if not made.notes:
        typer.echo(f"{source}: no note was heard; the result is silent", err=True)
    typer.echo(f"{out}: {len(made.notes)} notes, octave {made.octave}, {spell(made.envelope)}")


def describe_command(
    checkpoint: Checkpoint,
    recording: Annotated[Path, typer.Argument(help="Recording to describe.")],
) -> None:
    """Print what the codec hears in a recording as JSON: its notes and its envelope's numbers."""
    codec = load_codec(checkpoint)
    notes, envelope = codec.describe(load_for(codec, recording))
    rows = [
        {"onset": n.onset, "duration": round(n.duration, 3), "pitch": n.pitch, "velocity": n.velocity}
        for n in notes
    ]
    rounded = {k: round(v, 4) if isinstance(v, float) else v for k, v in envelope.values().items()}
    typer.echo(json.dumps({"envelope": rounded, "notes": rows}, indent=1))


def parse_take(take: str | None, reference: Path | None) -> frozenset[str]:
    """`timbre,envelope` as a set; without --take everything is taken, of a reference if there is one."""
    if take is None:
        return ALL_TAKES if reference is not None else frozenset()
    takes = frozenset(part.strip() for part in take.split(",") if part.strip())
    unknown = sorted(takes - ALL_TAKES)
    if unknown or not takes:
        raise BadInput(f"--take {take!r}: expected timbre, envelope or timbre,envelope")
    return takes


def load_for(codec: Codec, path: Path) -> Audio:
    """A file as the codec wants it; what had to be converted is said on stderr."""
    samples, rate = read_channels(path)
    if samples.shape[1] > 1:
        typer.echo(f"{path}: {samples.shape[1]} channels, mixed to mono", err=True)
    mono = np.asarray(samples.mean(axis=1), dtype=np.float32)
    if rate != codec.rate:
        typer.echo(f"{path}: {rate} Hz, resampled to {codec.rate} Hz", err=True)
        mono = resample(mono, rate, codec.rate)
    return mono


def spell(envelope: Envelope) -> str:
    """An envelope in one line."""
    return (
        f"attack {envelope.attack_ms:.1f} ms, hold {envelope.hold_ms:.1f} ms,"
        f" decay {envelope.decay_ms:.1f} ms, sustain {envelope.sustain:.3f},"
        f" release {envelope.release_ms:.1f} ms, {envelope.curve}"
    )
