"""Octaves: which part of a pitch is content, and which belongs to the timbre.

From audio alone, preset +1 playing C4 and preset 0 playing C5 are one sound. So a phrase is transposed
by octaves until its duration-weighted median pitch lies in MIDI 56..67; a clip's octave is
floor((sounding median - 56) / 12), and its content is what sounds, less that octave.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from manifests.types import Note, Notes

LOWEST_MEDIAN = 56


def median_pitch(notes: Sequence[Note]) -> int:
    """The duration-weighted median pitch: the lowest pitch by which half the sounding time is reached."""
    ordered = sorted(notes, key=lambda note: note.pitch)
    half = sum(note.duration for note in ordered) / 2.0
    passed = 0.0
    for note in ordered:
        passed += note.duration
        if passed >= half - 1e-9:
            return note.pitch
    raise ValueError("median_pitch of no notes")


def octave_of(sounding_median: float) -> int:
    """The octave that a sounding median pitch puts a clip in."""
    return int((sounding_median - LOWEST_MEDIAN) // 12)


def transpose(notes: Sequence[Note], semitones: int) -> Notes:
    """The same notes, `semitones` higher."""
    return tuple(replace(note, pitch=note.pitch + semitones) for note in notes)


def to_register(notes: Sequence[Note]) -> tuple[Notes, int]:
    """The notes moved by whole octaves so that their median lies in 56..67, and the semitones moved."""
    shift = -12 * octave_of(median_pitch(notes))
    return transpose(notes, shift), shift
