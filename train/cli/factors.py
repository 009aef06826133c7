"""`python -m train encode` and `decode`: recordings to factors, and factors of any origin to sound."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from manifests.types import Envelope, InputError
from train.audio.files import format_of, writing
from train.cli.convert import Checkpoint, Number, Octave, Shape, spell
from train.cli.recordings import read_for, save_result, warn
from train.codec.api import load_codec
from train.codec.envelope_edit import parse_edits
from train.codec.factors import read_envelope, read_notes, read_timbre
from train.codec.recordings import named
from train.systems.base import Factors


def encode_command(
    checkpoint: Checkpoint,
    recording: Annotated[Path, typer.Argument(help="Recording to take apart.")],
    out: Annotated[Path, typer.Option(help="Folder to write: notes, envelope, timbre.")],
) -> None:
    """Take a recording apart: its notes and envelope as JSON, its timbre as safetensors."""
    codec = load_codec(checkpoint)
    factors = codec.encode(read_for(codec, recording))
    with writing(out):
        codec.save_factors(factors, out)
    warn(factors.doubts)
    typer.echo(f"{out}: {len(factors.notes)} notes, octave {factors.octave}, {spell(factors.envelope)}")


def decode_command(
    checkpoint: Checkpoint,
    factors: Annotated[Path, typer.Argument(help="Folder of `encode`; the options below go before it.")],
    out: Annotated[Path, typer.Option(help="Where to write: .wav or .flac.")],
    notes: Annotated[Path | None, typer.Option(help="Folder or notes.json to take the notes of.")] = None,
    envelope: Annotated[Path | None, typer.Option(help="Folder or envelope.json for the envelope.")] = None,
    timbre: Annotated[Path | None, typer.Option(help="Folder or timbre.safetensors for the timbre.")] = None,
    towards: Annotated[Path | None, typer.Option(help="A second timbre, to go towards.")] = None,
    share: Annotated[float, typer.Option(min=0.0, max=1.0, help="How far towards it.")] = 0.5,
    attack_ms: Number = None,
    hold_ms: Number = None,
    decay_ms: Number = None,
    sustain: Number = None,
    release_ms: Number = None,
    curve: Shape = None,
    octave: Octave = None,
) -> None:
    """Play notes, envelope and timbre, each from a folder of its own; timbres may be interpolated."""
    format_of(out)
    edits = parse_edits(
        {"attack_ms": attack_ms, "hold_ms": hold_ms, "decay_ms": decay_ms, "sustain": sustain,
         "release_ms": release_ms}, curve,
    )  # fmt: skip
    codec = load_codec(checkpoint)
    if not codec.by_number:
        raise InputError(f"{checkpoint}: system {codec.system.name} does not play factors")
    phrase, seconds = read_notes(notes or factors)
    asked = edits.asked()
    shape = asked if isinstance(asked, Envelope) else edits(read_envelope(envelope or factors))
    sound, own_octave = read_timbre(timbre or factors, codec.weights_sha256)
    if towards is not None:
        other, other_octave = read_timbre(towards, codec.weights_sha256)
        sound = codec.interpolate_timbre(sound, other, share)
        own_octave = round(own_octave + share * (other_octave - own_octave))
    chosen = own_octave if octave is None else octave
    made = codec.decode(Factors(phrase, shape, sound, chosen, round(seconds * codec.rate)))
    save_result(made, out)
    warn([named(line, {"notes": str(notes or factors)}) for line in made.doubts])
    typer.echo(f"{out}: {len(made.notes or ())} notes, octave {chosen}, {spell(shape)}")
