"""Clusters ids that are too similar for different sides of a split: connected components of similarity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from manifests.types import Envelope, Note

SAME_DB = 1.5
"""Timbres sound alike if the RMS difference of their mel levels over the bands is below this (dB)."""
SAME_S = 0.030
"""Phrases have the same timing if their onsets and note-offs differ by at most this (s)."""
TIME_RATIO = 1.03
TIME_STEP_MS = 1.0
LEVEL_STEP = 0.01


def connected(alike: npt.NDArray[np.bool_]) -> list[int]:
    """Returns each id's connected component, named by its lowest id, of a symmetric bool matrix [n, n].

    >>> similar = np.eye(4, dtype=bool)
    >>> similar[1, 3] = similar[3, 1] = True
    >>> connected(similar)
    [0, 1, 2, 1]
    """
    count = len(alike)
    cluster = [-1] * count
    for start in range(count):
        if cluster[start] >= 0:
            continue
        waiting = [start]
        cluster[start] = start
        while waiting:
            for neighbour in np.flatnonzero(alike[waiting.pop()]):
                if cluster[neighbour] < 0:
                    cluster[neighbour] = start
                    waiting.append(int(neighbour))
    return cluster


def timbres_alike(fingerprints: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Finds pairs of timbres that sound alike: bool [n, n], symmetric, from mel levels in dB [n, bands].

    >>> timbres_alike(np.array([[-20, -30], [-21, -30], [-40, -10]], dtype=np.float32)).sum(axis=1).tolist()
    [2, 2, 1]
    """
    wide = fingerprints.astype(np.float64)
    result = np.eye(len(wide), dtype=bool)
    for i, one in enumerate(wide):
        result[i] |= np.sqrt(np.mean((wide - one) ** 2, axis=1)) < SAME_DB
    return result | result.T


def phrases_alike(phrases: Sequence[Sequence[Note]]) -> npt.NDArray[np.bool_]:
    """Finds pairs of phrases that are equal up to transposition and a shift in time: bool [n, n]."""
    shapes: dict[tuple[int, ...], list[int]] = {}
    timings = []
    for index, notes in enumerate(phrases):
        shapes.setdefault(tuple(note.pitch - notes[0].pitch for note in notes), []).append(index)
        start = notes[0].onset
        timings.append(np.array([(note.onset - start, note.off - start) for note in notes]).ravel())
    result = np.eye(len(phrases), dtype=bool)
    for same in shapes.values():
        times = np.stack([timings[index] for index in same])
        for index, own in zip(same, times, strict=True):
            result[index, same] = np.abs(times - own).max(axis=1) <= SAME_S
    return result


def envelope_clusters(envelopes: list[Envelope]) -> list[int]:
    """Clusters envelopes whose times agree within 1 ms or 3%, and whose sustain agrees within 0.01.

    >>> close, other = Envelope(10, 200, 0.5, 100.5), Envelope(10, 400, 0.5, 100)
    >>> envelope_clusters([Envelope(10, 200, 0.5, 100), other, close])
    [0, 1, 0]
    """
    times = np.array([[e.attack_ms, e.hold_ms, e.decay_ms, e.release_ms] for e in envelopes])
    sustain = np.array([e.sustain for e in envelopes])
    curves = np.array([e.curve for e in envelopes])
    larger = np.maximum(times[:, None], times[None])
    near = np.abs(times[:, None] - times[None]) <= np.maximum(TIME_STEP_MS, larger * (1 - 1 / TIME_RATIO))
    level = np.abs(sustain[:, None] - sustain[None]) <= LEVEL_STEP
    return connected(near.all(axis=2) & level & (curves[:, None] == curves[None]))
