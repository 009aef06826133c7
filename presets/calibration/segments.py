"""How long a plugin's envelope segments last: a note against the same note with the segment out of the way.

Two forks of one pristine plugin start alike, so the ratio of their levels is the envelope alone, however
the sound itself moves. A segment's time is read off between 10% and 90% of its way, which neither a
smoothed corner nor a late start disturbs; where it is half way says whether it is straight.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from manifests.synthesis.envelope import EXPONENT
from manifests.types import Curve

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

HOP_MS = 0.25
LOW, HALF, HIGH = 0.1, 0.5, 0.9
SHORTEST_MS = 10.0
"""Below this the measurement's window of 1 ms is felt: such points do not judge a law."""


@dataclass(frozen=True)
class Segment:
    """A measured segment: what it lasts in ms, and its shape."""

    ms: float
    shape: Curve


def gain_curve(note: F32, reference: F32, rate: int, window_ms: float = 1.0) -> F64:
    """The ratio of two sounds' levels every 0.25 ms, float64 [points]; NaN where the reference is silent."""
    hop, length = round(rate * HOP_MS / 1000.0), max(1, round(rate * window_ms / 1000.0))
    count = min(len(note), len(reference))
    energies = []
    for sound in (note, reference):
        sums = np.concatenate([[0.0], np.cumsum(np.square(sound[:count], dtype=np.float64))])
        ends = np.arange(hop, count + 1, hop)
        energies.append(sums[ends] - sums[np.maximum(ends - length, 0)])
    loud = energies[1] > 1e-6 * max(float(energies[1].max(initial=0.0)), 1e-30)
    ratio = np.sqrt(energies[0] / np.maximum(energies[1], 1e-30))
    return np.asarray(np.where(loud, ratio, np.nan))


def measure_segment(gain: F64, start_ms: float, rising: bool) -> Segment | None:
    """The segment that begins at `start_ms`, from 0 to 1 or from 1 to 0; None if it does not end in time."""
    first = int(start_ms / HOP_MS)
    way = gain[first:] if rising else 1.0 - gain[first:]
    at = [_crossing(way, level) for level in (LOW, HALF, HIGH)]
    low, half, high = at
    if low is None or half is None or high is None:
        return None
    taken = max(high - low, 1e-9)
    straight = abs((half - low) / taken - 0.5) < abs((half - low) / taken - _exponential_half())
    share = (HIGH - LOW) if straight else _exponential(HIGH) - _exponential(LOW)
    return Segment(taken * HOP_MS / share, "linear" if straight else "exponential")


def _crossing(way: F64, level: float) -> float | None:
    """Where the way first passes a level, between points; None if it never does."""
    above = np.flatnonzero(way >= level)
    if len(above) == 0:
        return None
    i = int(above[0])
    if i == 0 or not np.isfinite(way[i - 1]):
        return float(i)
    return i - 1 + float((level - way[i - 1]) / (way[i] - way[i - 1]))


def _exponential(progress: float) -> float:
    """The fraction of its time at which an exponential segment has come so far."""
    return float(-np.log1p(progress * np.expm1(-EXPONENT)) / EXPONENT)


def _exponential_half() -> float:
    low, half, high = (_exponential(level) for level in (LOW, HALF, HIGH))
    return (half - low) / (high - low)
