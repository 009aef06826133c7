"""One voice out of many: the skyline of a line, in which the highest note wins.

The method is the skyline algorithm (Uitdenbogerd and Zobel, 1998), with note-offs cut where a higher note
takes over; a lower note that starts under a sounding one is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from manifests.types import Note

MAX_OVERLAP_S = 0.050
"""Notes that overlap by less are one voice, played legato; those that start closer together are a chord."""

MIN_NOTE_S = 0.030
"""What is shorter once cut is no note."""


def first_overlap(notes: Sequence[Note]) -> Note | None:
    """Returns the first note that starts over `MAX_OVERLAP_S` before another ends; None if monophonic."""
    sounding_until = float("-inf")
    for note in notes:
        if note.onset < sounding_until - MAX_OVERLAP_S:
            return note
        sounding_until = max(sounding_until, note.off)
    return None


def _ending_by(note: Note, end: float) -> Note:
    return note if note.off <= end else replace(note, duration=end - note.onset)


def skyline(notes: Sequence[Note]) -> list[Note]:
    """A monophonic line, in order, from notes sorted by onset: the highest of what sounds together."""
    line: list[Note] = []
    for note in sorted(notes, key=lambda n: (n.onset, -n.pitch)):
        if line:
            last = line[-1]
            follows = note.onset >= last.off - min(MAX_OVERLAP_S, last.duration / 2)
            if not follows and note.pitch <= last.pitch:
                continue
            line[-1] = _ending_by(last, note.onset)
            if line[-1].duration < MIN_NOTE_S:
                line.pop()
        if note.duration >= MIN_NOTE_S:
            line.append(note)
    return line
