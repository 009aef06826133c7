"""`python -m train convert`: the codec on files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from manifests.types import Envelope, InputError
from train.audio.files import format_of
from train.cli.recordings import read_for, save_result, warn
from train.codec.api import load_codec, parse_take
from train.codec.envelope_edit import parse_edits
from train.codec.released import released_checkpoint

Checkpoint = Annotated[
    Path,
    typer.Option(
        help="Weights, such as RUN/best.safetensors; by default the released ones.",
        default_factory=released_checkpoint,
        show_default=False,
    ),
]
Octave = Annotated[int | None, typer.Option(min=-5, max=5, help="Octave to sound in; default: the timbre's.")]
Number = Annotated[str | None, typer.Option(help="A number, or x2 for twice what is heard.")]
Shape = Annotated[str | None, typer.Option(help="linear or exponential.")]


def convert_command(
    checkpoint: Checkpoint,
    source: Annotated[Path, typer.Option(help="Recording whose notes are kept.")],
    out: Annotated[Path, typer.Option(help="Where to write: .wav or .flac.")],
    reference: Annotated[Path | None, typer.Option(help="Recording that is taken from.")] = None,
    take: Annotated[
        str | None, typer.Option(help="What to take of the reference: timbre, envelope or timbre,envelope.")
    ] = None,
    attack_ms: Number = None,
    hold_ms: Number = None,
    decay_ms: Number = None,
    sustain: Number = None,
    release_ms: Number = None,
    curve: Shape = None,
    octave: Octave = None,
) -> None:
    """Play a recording's notes with another's timbre, envelope or both, or with an envelope by number.

    Numbers that are not given come from the envelope that is heard: the reference's where it is taken,
    else the source's. A factor (--release-ms x2) changes the heard one. Attack, decay, sustain and release
    given as numbers are an envelope of their own: no hold and linear, unless said.
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
    made = codec.convert(sound, other, takes, edits.asked(), octave)
    save_result(made, out)
    warn(made.doubts)
    if made.notes is None or made.envelope is None:
        typer.echo(f"{out}: made by {codec.system.name}, which tells no notes and no envelope")
        return
    if not made.notes:
        typer.echo(f"{out}: silent")
        return
    typer.echo(f"{out}: {len(made.notes)} notes, octave {made.octave}, {spell(made.envelope)}")


def spell(envelope: Envelope) -> str:
    """An envelope in one line."""
    return (
        f"attack {envelope.attack_ms:.1f} ms, hold {envelope.hold_ms:.1f} ms,"
        f" decay {envelope.decay_ms:.1f} ms, sustain {envelope.sustain:.3f},"
        f" release {envelope.release_ms:.1f} ms, {envelope.curve}"
    )
