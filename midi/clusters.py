"""Clusters phrases that are the same melody up to transposition, time shift and small timing differences.

A split assigns a cluster to one side as a unit, so a test phrase is never a transposed train phrase.
Velocities and the start time within the clip are ignored.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from manifests.splits.clusters import SAME_S
from manifests.types import Note, Notes

Intervals = tuple[int, ...]


def intervals(notes: Sequence[Note]) -> Intervals:
    """Returns each pitch relative to the first in semitones, which transposition leaves unchanged."""
    return tuple(note.pitch - notes[0].pitch for note in notes)


def relative_times(notes: Sequence[Note]) -> npt.NDArray[np.float64]:
    """Returns onsets and note-offs relative to the first onset, interleaved: float64 [2 * notes], seconds."""
    start = notes[0].onset
    return np.array([[note.onset - start, note.off - start] for note in notes]).ravel()


def same_melody(a: Sequence[Note], b: Sequence[Note]) -> bool:
    """Returns whether two phrases have equal intervals, and times that differ by at most `SAME_S`."""
    return intervals(a) == intervals(b) and bool(
        np.all(np.abs(relative_times(a) - relative_times(b)) <= SAME_S)
    )


def phrase_clusters(phrases: Sequence[Notes], sources: Sequence[str] = ()) -> list[int]:
    """Returns each phrase's cluster number: 0, 1, … in order of first appearance.

    Clusters are the connected components of `same_melody`, found by union-find. `sources` identifies each
    phrase's MIDI file ("" for none). Phrases of one file share a cluster: a tune repeats itself, and
    windows cut each repetition at different points.

    Example::

        clusters = phrase_clusters([phrase, transpose(phrase, 2), other])  # [0, 0, 1]
    """
    parent = list(range(len(phrases)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    timings = [relative_times(notes) for notes in phrases]
    with_intervals: dict[Intervals, list[int]] = {}
    exactly: dict[tuple[Intervals, bytes], int] = {}
    for index, notes in enumerate(phrases):
        twin = exactly.setdefault((intervals(notes), timings[index].tobytes()), index)
        if twin != index:
            # Whatever it resembles, its twin does: long files repeat themselves, so this saves most work.
            low, high = sorted((root(twin), root(index)))
            parent[high] = low
            continue
        others = with_intervals.setdefault(intervals(notes), [])
        if others:
            distances = np.abs(np.stack([timings[other] for other in others]) - timings[index]).max(axis=1)
            for match in np.flatnonzero(distances <= SAME_S):
                low, high = sorted((root(others[match]), root(index)))
                parent[high] = low
        others.append(index)
    first_of: dict[str, int] = {}
    for index, source in enumerate(sources):
        if source:
            low, high = sorted((root(first_of.setdefault(source, index)), root(index)))
            parent[high] = low
    numbers: dict[int, int] = {}
    return [numbers.setdefault(root(index), len(numbers)) for index in range(len(phrases))]
