"""Splits a sounding pitch into content and the timbre's octave.

From audio alone, preset +1 playing C4 and preset 0 playing C5 are one sound. A phrase is therefore
transposed by octaves until its duration-weighted median pitch lies in MIDI 56..67. A clip's octave is
floor((sounding median - 56) / 12), and its content is the sounding notes less that octave.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from manifests.types import Note, Notes

LOWEST_MEDIAN = 56


def median_pitch(notes: Sequence[Note]) -> int:
    """Returns the duration-weighted median pitch (MIDI); raises ValueError if there are no notes.

    >>> median_pitch([Note(0.0, 1.0, 60, 100), Note(1.0, 3.0, 64, 100)])
    64
    """
    ordered = sorted(notes, key=lambda note: note.pitch)
    half = sum(note.duration for note in ordered) / 2.0
    passed = 0.0
    for note in ordered:
        passed += note.duration
        if passed >= half - 1e-9:
            return note.pitch
    raise ValueError("median_pitch of no notes")


def octave_of(sounding_median: float) -> int:
    """Returns the octave of a clip from its sounding median pitch (MIDI).

    >>> octave_of(60), octave_of(72), octave_of(50)
    (0, 1, -1)
    """
    return int((sounding_median - LOWEST_MEDIAN) // 12)


def transpose(notes: Sequence[Note], semitones: int) -> Notes:
    """Returns the notes transposed by `semitones`.

    >>> transpose([Note(0.0, 1.0, 60, 100)], 12)[0].pitch
    72
    """
    return tuple(replace(note, pitch=note.pitch + semitones) for note in notes)


def to_register(notes: Sequence[Note]) -> tuple[Notes, int]:
    """Transposes notes by octaves so that their median lies in 56..67; returns them and the semitones.

    >>> notes, semitones = to_register([Note(0.0, 1.0, 84, 100)])
    >>> notes[0].pitch, semitones
    (60, -24)
    """
    shift = -12 * octave_of(median_pitch(notes))
    return transpose(notes, shift), shift
