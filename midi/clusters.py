"""Which phrases are the same music: equal up to transposition, shift in time and tiny timing differences.

Phrases of one cluster go whole to one side of a split, so that a test phrase is never a train phrase in
another key. Velocities do not count, nor does where in its clip a phrase begins.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from manifests.splits.clusters import SAME_S
from manifests.types import Note, Notes

Intervals = tuple[int, ...]


def intervals(notes: Sequence[Note]) -> Intervals:
    """The pitches relative to the first one, in semitones: the same for every transposition."""
    return tuple(note.pitch - notes[0].pitch for note in notes)


def timing(notes: Sequence[Note]) -> npt.NDArray[np.float64]:
    """Onsets and note-offs after the first onset, in seconds: float64 [2 x notes]."""
    start = notes[0].onset
    return np.array([[note.onset - start, note.off - start] for note in notes]).ravel()


def same_melody(a: Sequence[Note], b: Sequence[Note]) -> bool:
    """Whether two phrases share intervals and, within `SAME_S`, timing."""
    return intervals(a) == intervals(b) and bool(np.all(np.abs(timing(a) - timing(b)) <= SAME_S))


def phrase_clusters(phrases: Sequence[Notes], sources: Sequence[str] = ()) -> list[int]:
    """Each phrase's cluster, numbered 0, 1, … in order of first appearance; likeness is transitive.

    `sources` names each phrase's file ("" where it has none): phrases cut from one file share a cluster,
    since a tune repeats itself, and windows cut it at other points each time.
    """
    parent = list(range(len(phrases)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    timings = [timing(notes) for notes in phrases]
    with_intervals: dict[Intervals, list[int]] = {}
    for index, notes in enumerate(phrases):
        others = with_intervals.setdefault(intervals(notes), [])
        if others:
            apart = np.abs(np.stack([timings[other] for other in others]) - timings[index]).max(axis=1)
            for place in np.flatnonzero(apart <= SAME_S):
                low, high = sorted((root(others[place]), root(index)))
                parent[high] = low
        others.append(index)
    first_of: dict[str, int] = {}
    for index, source in enumerate(sources):
        if source:
            low, high = sorted((root(first_of.setdefault(source, index)), root(index)))
            parent[high] = low
    numbers: dict[int, int] = {}
    return [numbers.setdefault(root(index), len(numbers)) for index in range(len(phrases))]
