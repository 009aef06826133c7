"""Fits an envelope to a measured gain curve: times, sustain level, and the constant of each segment.

The constants' family (`manifests.synthesis.envelope`) holds straight lines, RC curves to a level beyond, and
falls that are straight in dB. The fit minimises the difference in dB, with a floor, by the method of
Levenberg (1944) and Marquardt (1963). It starts from the times at which segments have gone 10%, 50% and 90%
of their way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from manifests.synthesis.envelope import LEVEL_GRID, TIME_GRID_MS, progress, progress_time
from manifests.types import Envelope, curve_of
from presets.analysis.gain import crossing_ms

F64 = npt.NDArray[np.float64]

FLOOR = 0.01
"""Gains are compared in dB with this added (-40 dB)."""
ROUNDS = 30
MOST_BENT = 7.0
"""Largest constant: beyond it, a segment's time and constant cannot be told apart."""
LOW, HALF, HIGH = 0.1, 0.5, 0.9
BEFORE_OFF_MS = 25.0
"""Stretch before the note-off that shows the sustain level."""
STILL = 0.03
"""A decay of less depth than this is none."""
UNBENT_MS, UNBENT = 4.0, 0.2
"""Segments that are shorter, or bent by a smaller constant, count as straight."""


@dataclass(frozen=True)
class EnvelopeFit:
    """A fitted envelope, on the grid of manifests, and the mean deviation of the gain from it in dB."""

    envelope: Envelope
    residual_db: float


def fit_envelope(time_ms: F64, gain: F64, gate_ms: float, hold_ms: float = 0.0) -> EnvelopeFit | None:
    """Fits an envelope to a note's gain, float64 [points], NaN where it is unknown; note-off at `gate_ms`.

    The hold is given. Returns None if the note shows no attack, is not settled at its note-off, or does not
    end.

    Example: `fit_envelope(time_ms, measure_gain(note, plain, 44_100, 3.8).gain, 500.0).envelope.decay_ms`.
    """
    known = np.isfinite(gain)
    time, level = time_ms[known], np.maximum(gain[known], 0.0)
    start = _start(time, level, gate_ms, hold_ms)
    if start is None:
        return None
    values = _refine(start, time, level, gate_ms, hold_ms)
    attack, decay, release = np.maximum(np.exp(values[[0, 1, 3]]) - 1.0, 0.0)
    k = [
        0.0 if ms < UNBENT_MS or abs(value) < UNBENT else float(value)
        for value, ms in zip(values[4:], (attack, decay, release), strict=True)
    ]
    if 1.0 - values[2] < STILL:
        k[1] = 0.0

    def on_grid(value: float, grid: float) -> float:
        return round(round(float(value) / grid) * grid, 6)

    attack, decay, release = (on_grid(ms, TIME_GRID_MS) for ms in (attack, decay, release))
    envelope = Envelope(attack, decay, on_grid(values[2], LEVEL_GRID), release, hold_ms, curve_of(*k))
    return EnvelopeFit(envelope, float(np.mean(np.abs(_deviation(values, time, level, gate_ms, hold_ms)))))


def _start(time: F64, level: F64, gate_ms: float, hold_ms: float) -> F64 | None:
    """Returns the fit's start: log(ms + 1) of attack and decay, sustain, that of the release, constants."""
    before = (time > gate_ms - BEFORE_OFF_MS) & (time < gate_ms - 2.0)
    if not before.any() or len(time) < 8:
        return None
    sustain = float(np.median(level[before]))
    if np.ptp(level[before]) > 0.1 * sustain + 0.02:
        return None
    attack = fit_segment(time, level, 0.0, gate_ms)
    release = fit_segment(time, 1.0 - level / max(sustain, 1e-9), gate_ms, float(time[-1]))
    if attack is None:
        return None
    if sustain < FLOOR:
        release = (50.0, 0.0)
    elif release is None:
        return None
    decay = (50.0, 0.0)
    if 1.0 - sustain >= STILL:
        top = float(time[int(np.argmax(level >= 0.97 * level.max()))])
        fallen = fit_segment(time, (1.0 - level) / (1.0 - sustain), top, gate_ms)
        if fallen is None:
            return None
        decay = fallen
    times = [np.log1p(ms) for ms, _ in (attack, decay, release)]
    return np.array([times[0], times[1], min(sustain, 1.0), times[2], attack[1], decay[1], release[1]])


def fit_segment(time: F64, way: F64, start_ms: float, end_ms: float) -> tuple[float, float] | None:
    """Returns a segment's duration in ms and its constant; None if its `way`, 0 to 1, does not arrive.

    Both follow from the times between `start_ms` and `end_ms` at which it has gone 10%, 50% and 90% of its
    way.

    Example: `fit_segment(time_ms, gain, 0.0, 500.0)` is the attack of a gain curve.
    """
    first = int(np.searchsorted(time, start_ms))
    last = int(np.searchsorted(time, end_ms, side="right"))
    low, half, high = (crossing_ms(time[:last], way[:last], level, first) for level in (LOW, HALF, HIGH))
    if low is None or half is None or high is None:
        return None
    k = constant_of((half - low) / max(high - low, 1e-9))
    return max(high - low, 0.0) / (progress_time(HIGH, k) - progress_time(LOW, k)), k


def constant_of(half_share: float) -> float:
    """Returns the constant of a segment, from where 50% of its way lies between its 10% and its 90%: -7..7.

    >>> round(constant_of(0.5), 3), round(constant_of(0.267), 1)
    (0.0, 5.0)
    """
    low, high = -MOST_BENT, MOST_BENT
    for _ in range(40):
        k = (low + high) / 2
        ends = [progress_time(level, k) for level in (LOW, HALF, HIGH)]
        # The more a segment bends, the earlier it is half way.
        if (ends[1] - ends[0]) / (ends[2] - ends[0]) > half_share:
            low = k
        else:
            high = k
    return (low + high) / 2


def _model(values: F64, time: F64, gate_ms: float, hold_ms: float) -> F64:
    """Computes the gain of `_start`'s values, float64 [points]."""
    attack, decay, release = np.maximum(np.exp(values[[0, 1, 3]]) - 1.0, 1e-3)
    at = np.append(np.minimum(time, gate_ms), gate_ms)
    rise = progress(at / attack, values[4])
    held = rise * (1.0 - (1.0 - values[2]) * progress((at - attack - hold_ms) / decay, values[5]))
    gone = progress((time - gate_ms) / release, values[6])
    return np.asarray(np.where(time < gate_ms, held[:-1], held[-1] * (1.0 - gone)))


def _deviation(values: F64, time: F64, level: F64, gate_ms: float, hold_ms: float) -> F64:
    return np.asarray(20.0 * np.log10((level + FLOOR) / (_model(values, time, gate_ms, hold_ms) + FLOOR)))


def _refine(start: F64, time: F64, level: F64, gate_ms: float, hold_ms: float) -> F64:
    """Minimises the deviation, which is bounded so that outliers do not decide."""
    lowest = np.array([0.0, 0.0, 0.0, 0.0, *3 * [-MOST_BENT]])
    highest = np.array([11.0, 11.0, 1.0, 11.0, *3 * [MOST_BENT]])
    step = np.array([1e-4, 1e-4, 1e-5, 1e-4, 1e-3, 1e-3, 1e-3])

    def off(values: F64) -> F64:
        return np.clip(_deviation(values, time, level, gate_ms, hold_ms), -6.0, 6.0)

    values = np.clip(start, lowest, highest)
    here = off(values)
    damping = 1e-2
    for _ in range(ROUNDS):
        slopes = np.stack([(off(values + move) - here) / move.max() for move in np.diag(step)], axis=1)
        squares = slopes.T @ slopes
        curvature = np.diag(squares) + 1e-6
        moved = values - np.linalg.solve(squares + damping * np.diag(curvature), slopes.T @ here)
        moved = np.clip(moved, lowest, highest)
        there = off(moved)
        if there @ there < here @ here:
            gained = 1.0 - (there @ there) / max(float(here @ here), 1e-30)
            values, here, damping = moved, there, damping / 4
            if gained < 1e-5:
                break
        else:
            damping *= 8
            if damping > 1e6:
                break
    return values
