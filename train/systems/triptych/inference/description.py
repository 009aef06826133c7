"""What the codec says of a recording in words and numbers: confidences, nearest timbres, doubts."""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np

from manifests.synthesis.envelope import settle_ms
from manifests.types import Envelope
from train.systems.base import Audio, Description
from train.systems.triptych.inference.analysis import Heard, hear
from train.systems.triptych.inference.timbre_extraction import timbre_of
from train.systems.triptych.networks.model import TriptychModel

NEAR = 0.2
"""Confidences are of being within so much of a time's logarithm: 20%."""
NEAR_SUSTAIN = 0.05
SPREAD = 0.6
"""The Laplace scale of a number's error, in standard errors; found on validation clips."""
GAP_S = 0.02
"""A release shorter than this before the next onset is not heard."""

UNPITCHED = 0.2
UNSURE = 0.5
"""Mean probability of the notes' pitches below which they are doubted."""

UNEXPLAINED = 0.1
"""Share of the power at no harmonic above which other voices are suspected; found on mixtures of clips."""

TIMES = ("attack_ms", "hold_ms", "decay_ms", "sustain", "release_ms")


def releases_heard(heard: Heard) -> int:
    """How many notes are let go before the next begins."""
    following = [note.onset for note in heard.notes[1:]]
    gaps = [start - note.off for note, start in zip(heard.notes, following, strict=False)]
    return sum(gap >= GAP_S for gap in gaps) + heard.last_rings


def confidences(heard: Heard) -> dict[str, float]:
    """For each number of the envelope the probability, 0..1, that it is within 20% (sustain: within 0.05).

    From the standard errors of the fit; each release that was heard halves what is left of the doubt that
    note-offs were taken for something else.
    """
    found = {}
    for name, error in zip(TIMES, heard.errors, strict=False):
        near = 4.0 * NEAR_SUSTAIN if name == "sustain" else NEAR
        found[name] = 1.0 - math.exp(-near / (SPREAD * max(error, 1e-6)))
    if found:
        found["release_ms"] *= 1.0 - 0.5 ** releases_heard(heard)
    return {name: round(value, 3) for name, value in found.items()}


def note_doubts(heard: Heard, name: str) -> tuple[str, ...]:
    """What of the notes in a recording called `name` cannot be heard, and what is taken instead."""
    if not heard.notes:
        return (f"{name}: no note is heard; it is taken for silence",)
    found = []
    sure = float(np.average(heard.sure, weights=[note.duration for note in heard.notes]))
    if sure < UNPITCHED:
        found.append(f"{name}: no pitch is heard (certainty {sure:.2f}); its notes get the likeliest ones")
    elif sure < UNSURE:
        found.append(
            f"{name}: pitches are unsure (certainty {sure:.2f}): several voices, or unlike what was trained"
            " on; one line of notes is taken"
        )
    elif heard.unexplained > UNEXPLAINED:
        found.append(
            f"{name}: {heard.unexplained:.0%} of its power is at no harmonic of its notes: several voices, or"
            " an inharmonic sound; one line of notes is taken, and the rest is lost"
        )
    if len(heard.notes) == 1:
        found.append(f"{name}: one note only; all that is said of envelope and timbre comes from it")
    return tuple(found)


def envelope_doubts(heard: Heard, name: str, numbers: Collection[str] = TIMES) -> tuple[str, ...]:
    """The same of the envelope: a release or a sustain level that no note lets be heard.

    Only what is among the `numbers` is doubted: those that are used.
    """
    found = []
    if "release_ms" in numbers and heard.notes and not releases_heard(heard):
        found.append(f"{name}: no release is heard, every note is cut off; release_ms is a guess")
    if "sustain" in numbers and heard.notes and not settles(heard):
        found.append(f"{name}: no note is long enough to reach its sustain level; sustain is a guess")
    return tuple(found)


def settles(heard: Heard) -> bool:
    """Whether any note is held until its envelope has come to the sustain level."""
    envelope: Envelope = heard.envelope
    return any(1000.0 * note.duration >= settle_ms(envelope) for note in heard.notes)


def describe(model: TriptychModel, audio: Audio, count: int = 3) -> Description:
    """What is heard in a recording, and the `count` timbres of the training set that it is nearest to.

    These are told by the classifier that the timbre's vector was trained with, so a checkpoint needs to
    keep nothing more for it.
    """
    (heard,) = hear(model, [audio])
    nearest: tuple[tuple[str, float], ...] = ()
    if heard.passage is not None:
        vectors = timbre_of(model, heard.passage, heard.envelope).vectors
        probability = model.timbre_head(vectors[:, 0])[0].softmax(-1)
        best = probability.topk(min(count, len(model.format.timbres)))
        nearest = tuple(
            (model.format.timbres[index], round(value, 3))
            for index, value in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        )
    said = note_doubts(heard, "recording") + envelope_doubts(heard, "recording")
    return Description(heard.notes, heard.envelope, confidences(heard), heard.octave, nearest, said)
