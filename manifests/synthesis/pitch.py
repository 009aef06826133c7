"""Estimates the pitch of a steady sound from the period of its waveform.

Method: McLeod and Wyvill, "A smarter way to find pitch" (ICMC 2005). The period is the first peak of the
normalised square difference function that comes close to its highest peak. A missing fundamental or loud
overtones do not mislead it, and noise, which has no period, is recognised.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

CLARITY = 0.6
"""Least normalised self-similarity one period later of a pitched tone."""
NEARLY_HIGHEST = 0.9
HIGHEST_HZ = 9000.0
LOWEST_HZ = 16.0


def self_likeness(window: F64) -> F64:
    """Returns the normalised square difference function of float64 [n]: float64 [n / 2], 1 for a repeat.

    >>> similarity = self_likeness(np.sin(2 * np.pi * np.arange(400) / 50))
    >>> int(similarity[25:75].argmax()) + 25
    50
    """
    count = len(window)
    spectrum = np.fft.rfft(window, 2 * count)
    correlation = np.fft.irfft(spectrum * np.conj(spectrum))[: count // 2]
    squares = np.concatenate([[0.0], np.cumsum(window * window)])
    lags = np.arange(count // 2)
    energy = squares[count - lags] + squares[count] - squares[lags]
    return np.asarray(2.0 * correlation / np.maximum(energy, 1e-20))


def frequency(window: F32, rate: int) -> float | None:
    """Returns the pitch in Hz of a steady sound, float32 [n], or None if it is unpitched.

    >>> tone = np.sin(2 * np.pi * 440.0 * np.arange(4096) / 44_100).astype(np.float32)
    >>> round(frequency(tone, 44_100), 1)
    440.0
    """
    likeness = self_likeness(np.asarray(window, dtype=np.float64))
    below = np.flatnonzero(likeness < 0.0)
    if len(below) == 0:
        return None
    first, last = int(below[0]), min(int(rate / LOWEST_HZ), len(likeness) - 2)
    inner = likeness[1:-1]
    peaks = np.flatnonzero((inner > likeness[:-2]) & (inner >= likeness[2:])) + 1
    peaks = peaks[(peaks > max(first, rate / HIGHEST_HZ - 1)) & (peaks <= last)]
    if len(peaks) == 0:
        return None
    places, heights = _refine(likeness, peaks)
    if heights.max() < CLARITY:
        return None
    chosen = int(np.flatnonzero(heights >= NEARLY_HIGHEST * heights.max())[0])
    period = float(places[chosen])
    # A short period is measured more exactly over many repeats.
    for repeats in (4, 16):
        at = np.abs(places - repeats * period)
        near = int(np.argmin(at))
        if at[near] < 0.25 * period and heights[near] >= CLARITY:
            period = float(places[near]) / repeats
    return rate / period


def _refine(values: F64, peaks: npt.NDArray[np.intp]) -> tuple[F64, F64]:
    """Interpolates peaks by parabolas through three samples; returns positions and heights."""
    left, middle, right = values[peaks - 1], values[peaks], values[peaks + 1]
    bend = left - 2.0 * middle + right
    shift = np.where(bend < 0.0, 0.5 * (left - right) / np.minimum(bend, -1e-12), 0.0)
    return np.asarray(peaks + shift, dtype=np.float64), middle - 0.25 * (left - right) * shift
