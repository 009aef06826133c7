"""What makes a conversion hard, as names: systems are compared on these cases apart.

Read from what is known of the sounds where it is, and heard where it is not, so that published pairs and
a dataset's are sorted alike.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from manifests.synthesis.octaves import median_pitch, octave_of
from manifests.types import Envelope, Notes
from train.evaluation.transplant import Part
from train.metrics.envelope import STEP_MS, gain_db
from train.metrics.measurement import Target

CASES = {
    "short_to_long": "from an envelope to one that sounds at least 1.5 times as long",
    "long_to_short": "from an envelope to one that sounds at most two thirds as long",
    "octave_shifted": "source and target sound in different octaves",
    "inharmonic": "the tracker hears a pitch in under 60% of what should have one",
    "very_low": "the target's median pitch is below E2 (MIDI 40)",
    "very_high": "the target's median pitch is above C6 (MIDI 84)",
    "fast": "two of the target's notes begin within 180 ms",
    "rests": "the target has a rest of 200 ms or more between notes",
}
"""Each case and what it means."""

AUDIBLE_DB = -20.0
LONGER = 1.5
PITCHED = 0.6
LOWEST, HIGHEST = 40, 84
FAST_S, REST_S = 0.18, 0.2


def sounding_ms(envelope: Envelope) -> float:
    """How long the standard note (500 ms) is louder than -20 dB."""
    return float(np.sum(gain_db(envelope) > AUDIBLE_DB) * STEP_MS)


def cases_of(source: Part, target: Target) -> set[str]:
    """The names in `CASES` that hold for a conversion of `source` to the target."""
    found: set[str] = set()
    if not target.notes or not source.notes:
        return found
    if target.envelope is not None:
        ratio = max(sounding_ms(target.envelope.envelope), 1.0) / max(sounding_ms(source.envelope), 1.0)
        if ratio >= LONGER:
            found.add("short_to_long")
        elif ratio <= 1.0 / LONGER:
            found.add("long_to_short")
    if octave_of(median_pitch(source.notes)) != octave_of(median_pitch(target.notes)):
        found.add("octave_shifted")
    return found | _of_notes(target.notes) | _of_pitch(target)


def _of_notes(notes: Notes) -> set[str]:
    pitch = median_pitch(notes)
    names = {"very_low": pitch < LOWEST, "very_high": pitch > HIGHEST}
    for a, b in pairwise(notes):
        names["fast"] = names.get("fast", False) or b.onset - a.onset < FAST_S
        names["rests"] = names.get("rests", False) or b.onset - a.off >= REST_S
    return {name for name, holds in names.items() if holds}


def _of_pitch(target: Target) -> set[str]:
    track = target.measured.features.pitch_track
    times = track.times()
    held = np.zeros(len(times), dtype=bool)
    for note in target.notes:
        held |= (times >= note.onset) & (times < note.off)
    asked = held & target.audible
    pitched = float(np.mean(track.voiced[asked])) if asked.any() else 1.0
    return {"inharmonic"} if pitched < PITCHED else set()
