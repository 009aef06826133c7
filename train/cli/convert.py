"""`python -m train convert`: converts a recording."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from manifests.types import CURVES, Envelope, InputError
from train.audio.files import format_of
from train.cli.recordings import read_for, save_result, warn
from train.codec.api import load_codec, parse_take
from train.codec.envelope_edit import parse_edits
from train.codec.released import released_checkpoint
from train.systems.base import Gates

Checkpoint = Annotated[
    Path,
    typer.Option(
        help="Checkpoint, such as RUN/best.safetensors. Default: the released weights.",
        default_factory=released_checkpoint,
        show_default=False,
    ),
]
Octave = Annotated[
    int | None, typer.Option(min=-5, max=5, help="Octave in which the notes sound. Default: the timbre's.")
]
SoundingOctave = Annotated[
    str | None,
    typer.Option(
        help="Octave of the timbre, -5 to 5; or source (keep its pitches), or reference (play in its"
        " register). Default: the most probable one."
    ),
]
NoteOffs = Annotated[
    Gates,
    typer.Option(
        help="Note-offs: prior (notes are held unless their sound says otherwise), heard (what explains the"
        " level best), legato (all are held)."
    ),
]
Number = Annotated[str | None, typer.Option(help="A number, or x2 for twice the value that it replaces.")]
Shape = Annotated[str | None, typer.Option(help=f"Shape of the segments: {', '.join(CURVES)}.")]


def convert_command(
    checkpoint: Checkpoint,
    source: Annotated[Path, typer.Option(help="Recording whose notes are played.")],
    out: Annotated[Path, typer.Option(help="Audio file to write: .wav or .flac.")],
    reference: Annotated[
        Path | None, typer.Option(help="Recording with the other timbre or envelope.")
    ] = None,
    take: Annotated[
        str | None, typer.Option(help="What comes from the reference: timbre, envelope or timbre,envelope.")
    ] = None,
    attack_ms: Number = None,
    hold_ms: Number = None,
    decay_ms: Number = None,
    sustain: Number = None,
    release_ms: Number = None,
    curve: Shape = None,
    octave: SoundingOctave = None,
    gates: NoteOffs = "prior",
) -> None:
    """Play a recording's notes with the timbre or envelope of another, or with an envelope given by number.

    Options for the envelope change the measured one: the reference's if it is taken, else the source's. If
    attack, decay, sustain and release are all given as numbers, nothing is measured: the envelope then has
    no hold and is linear, unless --hold-ms or --curve is given.
    """
    format_of(out)
    takes = None if take is None else parse_take(take, "--take")
    if reference is None and take is not None:
        raise InputError("--take: needs a --reference to take from")
    edits = parse_edits(
        {"attack_ms": attack_ms, "hold_ms": hold_ms, "decay_ms": decay_ms, "sustain": sustain,
         "release_ms": release_ms}, curve,
    )  # fmt: skip
    codec = load_codec(checkpoint)
    if edits and not codec.by_number:
        raise InputError(f"{checkpoint}: system {codec.system.name} takes no envelope by number")
    sound = read_for(codec, source)
    other = read_for(codec, reference) if reference is not None else None
    result = codec.convert(sound, other, takes, edits.request(), parse_octave(octave), gates)
    save_result(result, out)
    warn(result.doubts)
    if result.notes is None or result.envelope is None:
        typer.echo(f"{out}: converted by {codec.system.name}, which has no notes and no envelope to show")
        return
    if not result.notes:
        typer.echo(f"{out}: silent")
        return
    envelope_text = format_envelope(result.envelope)
    sure = f" ({result.octave_probability:.0%} sure)" if octave is None and result.octave_probability else ""
    typer.echo(f"{out}: {len(result.notes)} notes, octave {result.octave}{sure}, {envelope_text}")


def parse_octave(text: str | None) -> int | Literal["source", "reference"] | None:
    """Parses `--octave`: a number from -5 to 5, "source" or "reference".

    Raises InputError for anything else.
    """
    if text is None:
        return None
    if text == "source":
        return "source"
    if text == "reference":
        return "reference"
    try:
        octave = int(text)
    except ValueError:
        octave = 99
    if not -5 <= octave <= 5:
        raise InputError(f"--octave {text!r}: expected a number from -5 to 5, source or reference")
    return octave


def format_envelope(envelope: Envelope) -> str:
    """Formats an envelope in one line, times in ms."""
    return (
        f"attack {envelope.attack_ms:.1f} ms, hold {envelope.hold_ms:.1f} ms,"
        f" decay {envelope.decay_ms:.1f} ms, sustain {envelope.sustain:.3f},"
        f" release {envelope.release_ms:.1f} ms, {envelope.curve}"
    )
