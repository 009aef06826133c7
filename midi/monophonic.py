"""Reduces a polyphonic part to a monophonic line with the skyline algorithm.

Skyline (Uitdenbogerd and Zobel 1998, "Manipulation of music for melody matching"): the highest sounding
note wins. A higher note cuts the note before it; a lower note that starts under a sounding one is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from manifests.types import Note

MAX_OVERLAP_S = 0.050
"""Notes that overlap by at most this are legato in one voice; a larger overlap is polyphony."""

MIN_NOTE_S = 0.030
"""Notes that are shorter than this after cutting are dropped."""


def first_overlap(notes: Sequence[Note]) -> Note | None:
    """Returns the first note that starts over `MAX_OVERLAP_S` before another ends; None if monophonic."""
    sounding_until = float("-inf")
    for note in notes:
        if note.onset < sounding_until - MAX_OVERLAP_S:
            return note
        sounding_until = max(sounding_until, note.off)
    return None


def _cut_at(note: Note, end: float) -> Note:
    return note if note.off <= end else replace(note, duration=end - note.onset)


def skyline(notes: Sequence[Note]) -> list[Note]:
    """Returns the skyline of `notes`: a monophonic list sorted by onset (seconds).

    Example::

        melody = skyline(part.notes)
    """
    line: list[Note] = []
    for note in sorted(notes, key=lambda n: (n.onset, -n.pitch)):
        if line:
            last = line[-1]
            follows = note.onset >= last.off - min(MAX_OVERLAP_S, last.duration / 2)
            if not follows and note.pitch <= last.pitch:
                continue
            line[-1] = _cut_at(last, note.onset)
            if line[-1].duration < MIN_NOTE_S:
                line.pop()
        if note.duration >= MIN_NOTE_S:
            line.append(note)
    return line
