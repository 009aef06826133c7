"""`python -m train instrument`: a recording's timbre and envelope as a playable instrument."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from manifests.dataset.canonical import sha256_file
from manifests.types import Envelope
from train.audio.files import writing
from train.cli.convert import Checkpoint, Number, Shape, format_envelope
from train.cli.recordings import read_for, warn
from train.codec.api import load_codec
from train.codec.envelope_edit import parse_edits
from train.codec.recordings import read_phrase
from train.instrument.instrument import UNSTATED, Origin, write_instrument


def instrument_command(
    checkpoint: Checkpoint,
    recording: Annotated[Path, typer.Argument(help="Recording whose timbre and envelope are taken.")],
    out: Annotated[Path, typer.Option(help="Folder to write NAME.sf2, NAME.sfz and NAME-samples to.")],
    name: Annotated[
        str | None, typer.Option(help="Name of the instrument. Default: the recording's.")
    ] = None,
    lowest: Annotated[int, typer.Option(min=0, max=127, help="Lowest MIDI pitch.")] = 36,
    highest: Annotated[int, typer.Option(min=0, max=127, help="Highest MIDI pitch.")] = 84,
    licence: Annotated[str, typer.Option(help="Licence of the samples, for the metadata.")] = UNSTATED,
    author: Annotated[str, typer.Option(help="Author, for the metadata.")] = "",
    attack_ms: Number = None,
    hold_ms: Number = None,
    decay_ms: Number = None,
    sustain: Number = None,
    release_ms: Number = None,
    curve: Shape = None,
) -> None:
    """Write a recording's timbre and envelope as a SoundFont 2, and as an SFZ with FLAC samples.

    There is a sample for every third semitone. Options for the envelope change the measured one.
    """
    edits = parse_edits(
        {"attack_ms": attack_ms, "hold_ms": hold_ms, "decay_ms": decay_ms, "sustain": sustain,
         "release_ms": release_ms}, curve,
    )  # fmt: skip
    codec = load_codec(checkpoint)
    factors = codec.encode(read_for(codec, recording, read_phrase))
    request = edits.request()
    envelope = request if isinstance(request, Envelope) else edits(factors.envelope)
    origin = Origin(name or recording.stem, recording.name, sha256_file(recording), licence, author)
    with writing(out):
        written = write_instrument(codec, factors, envelope, origin, out, lowest, highest)
    warn([*factors.doubts, *written.doubts])
    typer.echo(
        f"{written.soundfont}, {written.sfz}: {len(written.samples)} samples, MIDI {lowest}..{highest},"
        f" {format_envelope(envelope)}"
    )
