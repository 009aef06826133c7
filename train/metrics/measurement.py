"""All that is heard in one sound, and the comparison of two: every column of the catalogue.

A metric that the target leaves undefined (no pitch, no release to be heard) is *absent* from the result:
it is left out for every system alike. One that the estimate alone leaves undefined is *nan*: a failure,
which is counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from manifests.estimation.estimate import EnvelopeEstimate
from manifests.synthesis.compose import gain
from manifests.types import Envelope, Notes
from train.metrics.envelope import gain_error_db, hear_envelope, part_errors
from train.metrics.features import Ears
from train.metrics.loudness import QUIETEST
from train.metrics.onsets import onset_f1
from train.metrics.pitch import f0_rmse_cents, f_pitch, f_pitch_notes
from train.metrics.spectral import score
from train.metrics.timbre import embedding_distance, mfcc_distance
from train.metrics.tracker import F64, HOP_S, Bools
from train.metrics.transcribe import transcribe

CUT_FADE_MS = 5.0
"""Fade before a new onset that is presumed of recordings nobody knows it of."""

AUDIBLE = 10.0 ** (-30.0 / 20.0)
"""A held note whose gain is below this has faded out: no pitch is asked of it."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a recording without listening: its notes as they sound, perhaps its envelope."""

    notes: Notes
    envelope: Envelope | None = None
    cut_fade_ms: float = CUT_FADE_MS


@dataclass(frozen=True, slots=True)
class Heard:
    """What the metrics compare: all that `ears` hear, and the envelope on the notes it should play."""

    ears: Ears
    envelope: EnvelopeEstimate | None


@dataclass(frozen=True, slots=True)
class Goal:
    """What should be heard: the target, the notes it plays, whether they were known, and its envelope.

    `envelope` holds true values where they are known, with what can be heard of them; None where the
    target has none. `audible` [frames] says where a note is loud enough to have a pitch.
    """

    target: Heard
    notes: Notes
    known: bool
    cut_fade_ms: float
    envelope: EnvelopeEstimate | None
    audible: Bools


def hear(ears: Ears, notes: Notes, cut_fade_ms: float) -> Heard:
    """Listens to a sound that should play `notes`."""
    return Heard(ears, hear_envelope(ears.audio, notes, ears.rate, cut_fade_ms))


def hear_goal(ears: Ears, known: Known | None) -> Goal:
    """Listens to a target; notes nobody knows are transcribed from it."""
    notes = known.notes if known else transcribe(ears)
    fade = known.cut_fade_ms if known else CUT_FADE_MS
    target = hear(ears, notes, fade)
    envelope = target.envelope
    if envelope is not None and known is not None and known.envelope is not None:
        envelope = replace(envelope, envelope=known.envelope)
    samples = len(ears.audio)
    audible = np.ones(len(ears.track.midi), dtype=bool)
    if envelope is not None:
        curve = gain(notes, envelope.envelope, ears.rate, samples, fade)
        at = np.minimum((np.arange(len(audible)) * HOP_S * ears.rate).astype(np.int64), samples - 1)
        audible = curve[at] > AUDIBLE * float(curve.max(initial=0.0))
    return Goal(target, notes, known is not None, fade, envelope, audible)


def compare(estimate: Heard, goal: Goal, crepe: bool = False) -> dict[str, float]:
    """Every metric that the goal defines, by name; nan where the estimate fails to define it.

    Both are equally long (`Ears.fitted`). F0RMSE is asked for with `crepe` only.
    """
    ears, target = estimate.ears, goal.target.ears
    values: dict[str, float | None] = dict(score(ears.sound, target.sound))
    if goal.envelope is not None:
        ours = estimate.envelope.envelope if estimate.envelope else None
        values["envelope_db"] = gain_error_db(ours, goal.envelope.envelope, tail=goal.envelope.release_seen)
        values.update(part_errors(estimate.envelope, goal.envelope))
    if target.timbre is not None:
        heard = ears.timbre
        values["timbre"] = embedding_distance(heard, target.timbre) if heard else math.nan
        values["mfcc_db"] = mfcc_distance(heard, target.timbre) if heard else math.nan
    values["f_pitch"] = f_pitch(ears.track, target.track)
    values["f_pitch_chroma"] = f_pitch(ears.track, target.track, chroma=True)
    onsets: F64 = target.onsets
    if goal.known:
        values["f_pitch_notes"] = f_pitch_notes(ears.track, goal.notes, goal.audible)
        values["f_pitch_notes_chroma"] = f_pitch_notes(ears.track, goal.notes, goal.audible, chroma=True)
        onsets = np.array([note.onset for note in goal.notes])
    values["onset_f1"] = onset_f1(ears.onsets, onsets)
    if crepe:
        values["f0_rmse_cents"] = f0_rmse_cents(ears.crepe, target.crepe)
    if target.lufs > QUIETEST:
        values["loudness_lu"] = abs(ears.lufs - target.lufs)
    return {name: value for name, value in values.items() if value is not None}
