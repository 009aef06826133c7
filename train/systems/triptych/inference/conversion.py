"""Converts recordings, and takes recordings apart into factors and back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from manifests.types import Envelope, InputError, Notes
from train.systems.base import Audio, Blend, Conversion, ConversionRequest, EnvelopeTransform, Factors
from train.systems.triptych.hearing.analysis import analyse
from train.systems.triptych.hearing.octave import choose_octave, octave_doubts, shift_octaves
from train.systems.triptych.hearing.velocities import played_velocities
from train.systems.triptych.inference.description import ENVELOPE_NUMBERS, envelope_doubts, note_doubts
from train.systems.triptych.networks.model import TriptychModel
from train.systems.triptych.playing.synthesis import synthesise
from train.systems.triptych.playing.timbre_blending import TimbreBlend
from train.systems.triptych.playing.timbre_extraction import timbre_of
from train.systems.triptych.playing.timbre_tensors import timbre_from_tensors, timbre_to_tensors


def convert(model: TriptychModel, request: ConversionRequest) -> Conversion:
    """Plays the source's notes with the timbre and the envelope that the request asks for.

    The result is silent, with a doubt that says why, if the source or the reference holds no usable note.

    Example::

        convert(model, ConversionRequest(source, reference, frozenset({"timbre"}))).audio
    """
    recordings = [request.source] if request.reference is None else [request.source, request.reference]
    analyses = analyse(model, recordings, request.gates)
    source, reference = analyses[0], analyses[-1]
    timbre_giver = reference if "timbre" in request.take else source
    envelope_giver = reference if "envelope" in request.take else source
    envelope, transform = envelope_giver.envelope, None
    envelope_given = isinstance(request.envelope, Envelope)
    if isinstance(request.envelope, Envelope):
        envelope = request.envelope
    elif request.envelope is not None:
        transform = request.envelope
        envelope = transform(envelope)
    own_timbre = timbre_of(model, source)
    timbre = own_timbre if timbre_giver is source else timbre_of(model, timbre_giver)
    own = choose_octave(model, source, own_timbre)
    given = own if timbre_giver is source else choose_octave(model, timbre_giver, timbre)
    octave = given.octave
    if request.octave == "source":
        octave = own.octave
    elif request.octave == "reference":
        octave = timbre_giver.sounding_octave - source.sounding_octave + own.octave
    elif request.octave is not None:
        octave = request.octave

    doubts = note_doubts(source, "source")
    if request.octave is None and timbre_giver is not source:
        doubts += octave_doubts(own, given)
    if reference is not source and request.take:
        doubts += note_doubts(reference, "reference")
    if not envelope_given:
        used = [
            number
            for number in ENVELOPE_NUMBERS
            if transform is None or depends_on(transform, envelope_giver.envelope, number)
        ]
        doubts += envelope_doubts(envelope_giver, "source" if envelope_giver is source else "reference", used)
    if not source.notes or timbre is None or not (envelope_given or envelope_giver.notes):
        silence = np.zeros(len(request.source), dtype=np.float32)
        return Conversion(silence, (), envelope, octave, doubts, given.probability)
    notes = played_velocities(shift_octaves(source.notes, octave - own.octave))
    doubts += omitted_note_doubts(source.notes, notes, octave, "source")
    audio = synthesise(model, notes, envelope, timbre, len(request.source))
    return Conversion(audio, notes, envelope, octave, doubts, given.probability)


def depends_on(transform: EnvelopeTransform, envelope: Envelope, number: str) -> bool:
    """Tells whether the result of `transform` changes with the envelope's field `number`."""
    changed: dict[str, Any] = {number: 0.0 if getattr(envelope, number) > 0.0 else 0.5}
    return transform(replace(envelope, **changed)) != transform(envelope)


def omitted_note_doubts(notes: Notes, kept: Notes, octave: int, name: str) -> tuple[str, ...]:
    """Writes a doubt about the notes of the recording `name` that cannot be played in an octave."""
    if len(kept) == len(notes):
        return ()
    return (
        f"{name}: {len(notes) - len(kept)} of {len(notes)} notes are left out: in octave {octave} they lie"
        " outside MIDI's 0 to 127",
    )


def encode(model: TriptychModel, audio: Audio) -> Factors:
    """Takes a recording, float32 [n] at the model's rate, apart into notes, envelope and timbre.

    Raises InputError if no note is found.

    Example::

        factors = encode(model, audio)
        decode(model, replace(factors, envelope=Envelope(5.0, 200.0, 0.3, 120.0))).audio
    """
    (analysis,) = analyse(model, [audio])
    timbre = timbre_of(model, analysis)
    if timbre is None:
        raise InputError("recording: no note is heard, so there is nothing to encode")
    octave = choose_octave(model, analysis, timbre).octave
    notes = played_velocities(shift_octaves(analysis.notes, -octave))
    doubts = note_doubts(analysis, "recording") + envelope_doubts(analysis, "recording")
    doubts += omitted_note_doubts(analysis.notes, notes, 0, "recording")
    return Factors(notes, analysis.envelope, timbre_to_tensors(timbre), octave, len(audio), doubts)


def decode(model: TriptychModel, factors: Factors) -> Conversion:
    """Plays factors, each of which may come from another recording.

    Raises InputError if the timbre does not have this model's tensors.
    """
    timbre = timbre_from_tensors(model, factors.timbre)
    notes = shift_octaves(factors.notes, factors.octave)
    doubts = omitted_note_doubts(factors.notes, notes, factors.octave, "notes")
    audio = synthesise(model, notes, factors.envelope, timbre, factors.samples)
    return Conversion(audio, notes, factors.envelope, factors.octave, doubts)


def timbre_blend(model: TriptychModel, start: dict[str, Tensor], end: dict[str, Tensor]) -> Blend:
    """Prepares interpolations between two timbres given as tensors: of share 0, the first, to 1, the second.

    Raises InputError if either does not have this model's tensors.
    """
    blend = TimbreBlend(model, *(timbre_from_tensors(model, tensors) for tensors in (start, end)))
    return lambda share: timbre_to_tensors(blend.at(share))
