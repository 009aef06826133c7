"""From recordings to a conversion: hear source and reference, choose, play the tones; and by factors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from manifests.synthesis.octaves import transpose
from manifests.types import Envelope, InputError, Notes
from train.systems.base import Audio, Conversion, ConversionRequest, EnvelopeTransform, Factors
from train.systems.triptych.inference.analysis import hear
from train.systems.triptych.inference.description import TIMES, envelope_doubts, note_doubts
from train.systems.triptych.inference.synthesis import play
from train.systems.triptych.inference.timbre_extraction import between, from_tensors, timbre_of, to_tensors
from train.systems.triptych.networks.model import TriptychModel


def convert(model: TriptychModel, request: ConversionRequest) -> Conversion:
    """The source's notes with what is taken of the reference; a given envelope or octave goes before both."""
    source, reference, take, envelope = request.source, request.reference, request.take, request.envelope
    heard = hear(model, [source] if reference is None else [source, reference])
    ours, theirs = heard[0], heard[-1]
    sounding = theirs if "timbre" in take else ours
    shaping = theirs if "envelope" in take else ours
    given = isinstance(envelope, Envelope)
    chosen = envelope if isinstance(envelope, Envelope) else shaping.envelope
    if callable(envelope):
        chosen = envelope(chosen)
    octave = sounding.octave if request.octave is None else request.octave
    said = note_doubts(ours, "source")
    if theirs is not ours and take:
        said += note_doubts(theirs, "reference")
    if not given:
        kept = [name for name in TIMES if not callable(envelope) or follows(envelope, shaping.envelope, name)]
        said += envelope_doubts(shaping, "source" if shaping is ours else "reference", kept)
    if not ours.notes or sounding.passage is None or not (given or shaping.notes):
        return Conversion(np.zeros(len(source), dtype=np.float32), (), chosen, octave, said)
    notes = moved(ours.notes, octave - ours.octave)
    said += left_out(ours.notes, notes, octave, "source")
    timbre = timbre_of(model, sounding.passage, sounding.envelope)
    return Conversion(play(model, notes, chosen, timbre, len(source)), notes, chosen, octave, said)


def follows(change: EnvelopeTransform, heard: Envelope, name: str) -> bool:
    """Whether what is made of a heard envelope depends on its number `name`."""
    changed: dict[str, Any] = {name: 0.0 if getattr(heard, name) > 0.0 else 0.5}
    return change(replace(heard, **changed)) != change(heard)


def moved(notes: Notes, octaves: int) -> Notes:
    """Notes some octaves higher, without those that leave MIDI's range."""
    return tuple(note for note in transpose(notes, 12 * octaves) if 0 <= note.pitch <= 127)


def left_out(notes: Notes, kept: Notes, octave: int, name: str) -> tuple[str, ...]:
    """What is said of a recording's notes that cannot be played in an octave."""
    if len(kept) == len(notes):
        return ()
    return (
        f"{name}: {len(notes) - len(kept)} of {len(notes)} notes are left out: in octave {octave} they lie"
        " outside MIDI's 0 to 127",
    )


def encode(model: TriptychModel, audio: Audio) -> Factors:
    """A recording's factors; InputError where no note is heard."""
    (heard,) = hear(model, [audio])
    if heard.passage is None:
        raise InputError("recording: no note is heard, so there is nothing to encode")
    timbre = to_tensors(timbre_of(model, heard.passage, heard.envelope))
    notes = moved(heard.notes, -heard.octave)
    said = note_doubts(heard, "recording") + envelope_doubts(heard, "recording")
    said += left_out(heard.notes, notes, 0, "recording")
    return Factors(notes, heard.envelope, timbre, heard.octave, len(audio), said)


def decode(model: TriptychModel, factors: Factors) -> Conversion:
    """Plays factors; InputError where the timbre is not one of this system's."""
    timbre = from_tensors(model, factors.timbre)
    notes = moved(factors.notes, factors.octave)
    said = left_out(factors.notes, notes, factors.octave, "notes")
    audio = play(model, notes, factors.envelope, timbre, factors.samples)
    return Conversion(audio, notes, factors.envelope, factors.octave, said)


def blend(
    model: TriptychModel, one: dict[str, Tensor], other: dict[str, Tensor], share: float
) -> dict[str, Tensor]:
    """The tensors of a timbre between two."""
    return to_tensors(between(model, from_tensors(model, one), from_tensors(model, other), share))
