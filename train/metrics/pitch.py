"""Pitch metrics: functions of two pitch tracks, or of a track and the notes that should sound.

F-pitch is the harmonic mean of precision and recall over frames. A frame is a hit where both sounds are
voiced and within 50 cents. The chroma version folds octaves as raw chroma accuracy does (Salamon et al.,
"Melody extraction from polyphonic music signals", IEEE SPM 2014).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from manifests.types import Note
from train.metrics.tracker import F64, Bools, PitchTrack

TOLERANCE = 0.5
"""Semitones within which two pitches match."""


def semitone_distance(a: F64, b: F64, chroma: bool) -> F64:
    """Computes |a - b| in semitones; with `chroma`, the distance of pitch classes, 0..6."""
    apart = a - b
    if chroma:
        apart = (apart + 6.0) % 12.0 - 6.0
    return np.asarray(np.abs(apart))


def f_pitch(estimate: PitchTrack, target: PitchTrack, chroma: bool = False) -> float | None:
    """Computes F-pitch, 0..1: 2 x hits / (voiced frames of both). None if the target is never voiced.

    Example: `f_pitch(track, track)` is 1.0.
    """
    frames = min(len(estimate.midi), len(target.midi))
    ours, theirs = estimate.voiced[:frames], target.voiced[:frames]
    if not theirs.any():
        return None
    near = semitone_distance(estimate.midi[:frames], target.midi[:frames], chroma) <= TOLERANCE
    return float(2.0 * np.sum(ours & theirs & near) / (np.sum(ours) + np.sum(theirs)))


def notes_as_track(notes: Sequence[Note], times: F64) -> tuple[F64, Bools]:
    """Returns the pitch of the note held at each of `times` (seconds, [frames]), and whether one is held."""
    midi, held = np.zeros(len(times)), np.zeros(len(times), dtype=bool)
    for note in notes:
        inside = (times >= note.onset) & (times < note.off)
        midi[inside], held[inside] = note.pitch, True
    return midi, held


def f_pitch_notes(
    estimate: PitchTrack, notes: Sequence[Note], audible: Bools, chroma: bool = False
) -> float | None:
    """Computes F-pitch against the sounding notes, or None if none of them is audible.

    Only frames count in which a note is held and `audible` (bool [frames]): a release has no written pitch.
    """
    midi, held = notes_as_track(notes, estimate.times())
    counted = held & audible[: len(held)]
    if not counted.any():
        return None
    near = semitone_distance(estimate.midi, midi, chroma) <= TOLERANCE
    ours = estimate.voiced & counted
    return float(2.0 * np.sum(ours & near) / (np.sum(ours) + np.sum(counted)))


def f0_rmse_cents(estimate: PitchTrack, target: PitchTrack) -> float | None:
    """Computes the root mean square pitch error in cents over the frames that are voiced in both.

    Returns None if the target is never voiced, and nan if no frame is voiced in both. Nothing is filtered:
    one octave error in a hundred frames is 120 cents.
    """
    frames = min(len(estimate.midi), len(target.midi))
    if not target.voiced[:frames].any():
        return None
    both = estimate.voiced[:frames] & target.voiced[:frames]
    if not both.any():
        return float("nan")
    cents = 100.0 * (estimate.midi[:frames][both] - target.midi[:frames][both])
    return float(np.sqrt(np.mean(cents**2)))
