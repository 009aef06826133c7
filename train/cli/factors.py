"""`python -m train encode` and `decode`: recordings to factors, and factors to audio."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from manifests.types import Envelope, InputError
from train.audio.files import format_of, writing
from train.cli.convert import Checkpoint, Number, Octave, Shape, format_envelope
from train.cli.recordings import read_for, save_result, warn
from train.codec.api import load_codec
from train.codec.envelope_edit import parse_edits
from train.codec.factors import read_envelope, read_notes, read_timbre
from train.codec.recordings import named
from train.systems.base import Factors


def encode_command(
    checkpoint: Checkpoint,
    recording: Annotated[Path, typer.Argument(help="Recording to encode.")],
    out: Annotated[Path, typer.Option(help="Folder for notes.json, envelope.json and timbre.safetensors.")],
) -> None:
    """Write a recording's factors: notes and envelope as JSON, timbre as safetensors."""
    codec = load_codec(checkpoint)
    factors = codec.encode(read_for(codec, recording))
    with writing(out):
        codec.save_factors(factors, out)
    warn(factors.doubts)
    envelope_text = format_envelope(factors.envelope)
    typer.echo(f"{out}: {len(factors.notes)} notes, octave {factors.octave}, {envelope_text}")


def decode_command(
    checkpoint: Checkpoint,
    factors: Annotated[
        Path,
        typer.Argument(help="Folder of `encode`. --notes, --envelope and --timbre replace its files."),
    ],
    out: Annotated[Path, typer.Option(help="Audio file to write: .wav or .flac.")],
    notes: Annotated[Path | None, typer.Option(help="Folder or notes.json for the notes.")] = None,
    envelope: Annotated[Path | None, typer.Option(help="Folder or envelope.json for the envelope.")] = None,
    timbre: Annotated[Path | None, typer.Option(help="Folder or timbre.safetensors for the timbre.")] = None,
    towards: Annotated[
        Path | None, typer.Option(help="Second timbre, to interpolate to: a folder or file.")
    ] = None,
    share: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of the second timbre.")] = 0.5,
    attack_ms: Number = None,
    hold_ms: Number = None,
    decay_ms: Number = None,
    sustain: Number = None,
    release_ms: Number = None,
    curve: Shape = None,
    octave: Octave = None,
) -> None:
    """Play notes with an envelope and a timbre, each from FACTORS or from a folder of its own."""
    format_of(out)
    edits = parse_edits(
        {"attack_ms": attack_ms, "hold_ms": hold_ms, "decay_ms": decay_ms, "sustain": sustain,
         "release_ms": release_ms}, curve,
    )  # fmt: skip
    codec = load_codec(checkpoint)
    if not codec.by_number:
        raise InputError(f"{checkpoint}: system {codec.system.name} has no factors to decode")
    phrase, seconds = read_notes(notes or factors)
    request = edits.request()
    played = request if isinstance(request, Envelope) else edits(read_envelope(envelope or factors))
    vectors, own_octave = read_timbre(timbre or factors, codec.weights_sha256)
    if towards is not None:
        other, other_octave = read_timbre(towards, codec.weights_sha256)
        vectors = codec.interpolate_timbre(vectors, other, share)
        own_octave = round(own_octave + share * (other_octave - own_octave))
    chosen = own_octave if octave is None else octave
    result = codec.decode(Factors(phrase, played, vectors, chosen, round(seconds * codec.rate)))
    save_result(result, out)
    warn([named(line, {"notes": str(notes or factors)}) for line in result.doubts])
    typer.echo(f"{out}: {len(result.notes or ())} notes, octave {chosen}, {format_envelope(played)}")
