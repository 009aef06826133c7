"""Ids that are too alike to stand on different sides of a split: the connected parts of "is like"."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from manifests.vocabulary import Envelope

TIME_RATIO = 1.03
TIME_STEP_MS = 1.0
LEVEL_STEP = 0.01


def connected(alike: npt.NDArray[np.bool_]) -> list[int]:
    """The cluster of each id: the lowest id it is connected to, given a symmetric matrix [n, n]."""
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


def envelope_clusters(envelopes: list[Envelope]) -> list[int]:
    """Envelopes whose every time agrees within 1 ms or 3%, and sustain within 0.01, share a cluster."""
    times = np.array([[e.attack_ms, e.hold_ms, e.decay_ms, e.release_ms] for e in envelopes])
    sustain = np.array([e.sustain for e in envelopes])
    curves = np.array([e.curve for e in envelopes])
    larger = np.maximum(times[:, None], times[None])
    near = np.abs(times[:, None] - times[None]) <= np.maximum(TIME_STEP_MS, larger * (1 - 1 / TIME_RATIO))
    level = np.abs(sustain[:, None] - sustain[None]) <= LEVEL_STEP
    return connected(near.all(axis=2) & level & (curves[:, None] == curves[None]))
