"""Hard cases of conversions: names by which systems are compared apart.

They are derived from true notes and envelopes if these are known, else from estimates. So published pairs
and those of a dataset are classified alike.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from manifests.synthesis.octaves import median_pitch, octave_of
from manifests.types import Envelope, Notes
from train.evaluation.transplant import AnnotatedAudio
from train.metrics.envelope import STEP_MS, gain_db
from train.metrics.measurement import Target

CASES = {
    "short_to_long": "to an envelope that is audible at least 1.5 times as long as the source's",
    "long_to_short": "to an envelope that is audible at most two thirds as long as the source's",
    "octave_shifted": "source and target sound in different octaves",
    "inharmonic": "the pitch tracker finds a pitch in under 60% of the frames that should have one",
    "very_low": "the target's median pitch is below E2 (MIDI 40)",
    "very_high": "the target's median pitch is above C6 (MIDI 84)",
    "fast": "two of the target's notes begin within 180 ms",
    "rests": "the target has a rest of 200 ms or more between notes",
}
"""Each case and its definition."""

AUDIBLE_DB = -20.0
"""Level above which a note counts as audible."""
LONGER = 1.5
PITCHED = 0.6
LOWEST, HIGHEST = 40, 84
FAST_S, REST_S = 0.18, 0.2


def audible_ms(envelope: Envelope) -> float:
    """Returns how long the standard note (500 ms) is louder than `AUDIBLE_DB` under an envelope, ms."""
    return float(np.sum(gain_db(envelope) > AUDIBLE_DB) * STEP_MS)


def hard_cases(source: AnnotatedAudio, target: Target) -> set[str]:
    """Returns the names in `CASES` that hold for a conversion of `source` to the target."""
    cases: set[str] = set()
    if not target.notes or not source.notes:
        return cases
    if target.envelope is not None:
        ratio = max(audible_ms(target.envelope.envelope), 1.0) / max(audible_ms(source.envelope), 1.0)
        if ratio >= LONGER:
            cases.add("short_to_long")
        elif ratio <= 1.0 / LONGER:
            cases.add("long_to_short")
    if octave_of(median_pitch(source.notes)) != octave_of(median_pitch(target.notes)):
        cases.add("octave_shifted")
    return cases | _note_cases(target.notes) | _pitch_cases(target)


def _note_cases(notes: Notes) -> set[str]:
    pitch = median_pitch(notes)
    names = {"very_low": pitch < LOWEST, "very_high": pitch > HIGHEST}
    for a, b in pairwise(notes):
        names["fast"] = names.get("fast", False) or b.onset - a.onset < FAST_S
        names["rests"] = names.get("rests", False) or b.onset - a.off >= REST_S
    return {name for name, holds in names.items() if holds}


def _pitch_cases(target: Target) -> set[str]:
    track = target.measured.features.pitch_track
    times = track.times()
    held = np.zeros(len(times), dtype=bool)
    for note in target.notes:
        held |= (times >= note.onset) & (times < note.off)
    asked = held & target.audible
    pitched = float(np.mean(track.voiced[asked])) if asked.any() else 1.0
    return {"inharmonic"} if pitched < PITCHED else set()
