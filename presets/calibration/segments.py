"""Measures the duration and shape of a plugin's envelope segments.

Two forks of one plugin start in the same state. One renders a note, the other a reference: the same note with
the segment switched off. The ratio of their levels is the envelope's gain, whatever the sound itself does.
The duration follows from the time between 10% and 90% of the segment, which smoothed corners and a late start
do not change. The time of 50% tells linear from exponential segments.
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
"""The progress values that are timed: 0 at the segment's start, 1 at its end."""
SHORTEST_MS = 10.0
"""Shorter durations are biased by the 1 ms level window; fitting a law ignores them."""


@dataclass(frozen=True)
class Segment:
    """Holds a measured segment's duration in ms and its shape."""

    ms: float
    shape: Curve


def gain_curve(note: F32, reference: F32, rate: int, window_ms: float = 1.0) -> F64:
    """Computes the gain between two sounds every 0.25 ms: the ratio of their RMS levels, linear.

    `note` and `reference` are float32 [samples]; the level window is `window_ms` long. Returns float64
    [points], NaN where the reference is more than 60 dB below its loudest point.
    """
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
    """Measures the segment that starts at `start_ms` of a gain curve (float64 [points], every 0.25 ms).

    The gain goes from 0 to 1 if `rising`, else from 1 to 0. Returns None if the gain does not reach 90% of
    the way before the curve ends.

    Example::

        segment = measure_segment(gain_curve(note, reference, 44100), 0.0, rising=True)
    """
    first = int(start_ms / HOP_MS)
    progress = gain[first:] if rising else 1.0 - gain[first:]
    low, half, high = (_crossing(progress, level) for level in (LOW, HALF, HIGH))
    if low is None or half is None or high is None:
        return None
    duration = max(high - low, 1e-9)
    half_share = (half - low) / duration
    is_linear = abs(half_share - 0.5) < abs(half_share - _exponential_half())
    share = (HIGH - LOW) if is_linear else _exponential_time(HIGH) - _exponential_time(LOW)
    return Segment(duration * HOP_MS / share, "linear" if is_linear else "exponential")


def _crossing(progress: F64, level: float) -> float | None:
    """Returns the interpolated index at which the progress first reaches `level`; None if it never does."""
    above = np.flatnonzero(progress >= level)
    if len(above) == 0:
        return None
    i = int(above[0])
    if i == 0 or not np.isfinite(progress[i - 1]):
        return float(i)
    return i - 1 + float((level - progress[i - 1]) / (progress[i] - progress[i - 1]))


def _exponential_time(progress: float) -> float:
    """Inverts the exponential curve: returns the time at which it has that progress.

    Time is a fraction of the segment's duration. With k = `EXPONENT`, progress(t) =
    (1 - exp(-k t)) / (1 - exp(-k)), hence t = -log(1 - progress (1 - exp(-k))) / k.
    """
    return float(-np.log1p(progress * np.expm1(-EXPONENT)) / EXPONENT)


def _exponential_half() -> float:
    """Returns where 50% lies between the times of 10% and 90% of an exponential segment, 0..1."""
    low, half, high = (_exponential_time(level) for level in (LOW, HALF, HIGH))
    return (half - low) / (high - low)
