"""Pitch metrics: pure functions of two pitch tracks, or of a track and the notes that should sound.

F-pitch is the harmonic mean of precision and recall over frames: a frame is a hit where both sounds are
voiced and within 50 cents. Raw chroma accuracy's folding (Salamon et al., "Melody extraction from
polyphonic music signals", IEEE SPM 2014) gives the chroma version, which forgives octaves.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from manifests.types import Note
from train.metrics.tracker import F64, Bools, Track

TOLERANCE = 0.5
"""Semitones within which two pitches are the same."""


def semitones_apart(a: F64, b: F64, chroma: bool) -> F64:
    """|a - b| in semitones; with `chroma`, to the nearest octave of each other."""
    apart = a - b
    if chroma:
        apart = (apart + 6.0) % 12.0 - 6.0
    return np.asarray(np.abs(apart))


def f_pitch(estimate: Track, target: Track, chroma: bool = False) -> float | None:
    """2 x hits / (voiced in target + voiced in estimate), 0..1; None where the target is never voiced."""
    frames = min(len(estimate.midi), len(target.midi))
    ours, theirs = estimate.voiced[:frames], target.voiced[:frames]
    if not theirs.any():
        return None
    near = semitones_apart(estimate.midi[:frames], target.midi[:frames], chroma) <= TOLERANCE
    return float(2.0 * np.sum(ours & theirs & near) / (np.sum(ours) + np.sum(theirs)))


def notes_as_track(notes: Sequence[Note], times: F64) -> tuple[F64, Bools]:
    """The pitch of the note that is held at each of `times` [frames], and whether one is."""
    midi, held = np.zeros(len(times)), np.zeros(len(times), dtype=bool)
    for note in notes:
        inside = (times >= note.onset) & (times < note.off)
        midi[inside], held[inside] = note.pitch, True
    return midi, held


def f_pitch_notes(
    estimate: Track, notes: Sequence[Note], audible: Bools, chroma: bool = False
) -> float | None:
    """F-pitch against the notes themselves, as they sound; None where none of them can be heard.

    Only frames in which a note is held and `audible` [frames] count: what rings after a note-off has no
    written pitch.
    """
    midi, held = notes_as_track(notes, estimate.times())
    counted = held & audible[: len(held)]
    if not counted.any():
        return None
    near = semitones_apart(estimate.midi, midi, chroma) <= TOLERANCE
    ours = estimate.voiced & counted
    return float(2.0 * np.sum(ours & near) / (np.sum(ours) + np.sum(counted)))


def f0_rmse_cents(estimate: Track, target: Track) -> float | None:
    """Root mean square pitch difference in cents over the frames voiced in both; nan where there is none.

    None where the target is never voiced. Nothing is filtered: one octave error in a hundred frames is
    120 cents.
    """
    frames = min(len(estimate.midi), len(target.midi))
    if not target.voiced[:frames].any():
        return None
    both = estimate.voiced[:frames] & target.voiced[:frames]
    if not both.any():
        return float("nan")
    cents = 100.0 * (estimate.midi[:frames][both] - target.midi[:frames][both])
    return float(np.sqrt(np.mean(cents**2)))
