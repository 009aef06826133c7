"""Measures level over time, finds the steadiest window of a tone, and removes DC and rumble."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

FRAME_S = 0.05
FLOOR = 1e-7
"""The RMS that is added to each frame, so that silence has a finite level (-140 dB)."""
COARSE_HZ = 690
"""The approximate rate at which the rumble (below 30 Hz) is estimated."""


def frame_levels_db(tone: F32, rate: int) -> F64:
    """Computes the RMS level of consecutive 50 ms frames.

    `tone` is float32 [samples] without DC, `rate` in Hz. Returns float64 [frames] in dB re 1. Shorter frames
    would not do: a low tone has only two or three periods in 50 ms.

    Example::

        levels_db = frame_levels_db(tone, 44100)
    """
    length = int(rate * FRAME_S)
    count = len(tone) // length
    frames = tone[: count * length].reshape(count, length)
    power = np.einsum("ij,ij->i", frames, frames, dtype=np.float64) / length
    return np.asarray(10.0 * np.log10(power + FLOOR**2))


def flattest_window(tone: F32, rate: int, frames: int) -> tuple[int, float]:
    """Finds the window of `frames` samples whose level varies least.

    `tone` is float32 [samples], at least `frames` long. Returns the window's first sample, and the standard
    deviation of its frame levels in dB. Windows start on the grid of 50 ms frames. The tone's first frame,
    which may contain a click, is left out if the tone is long enough. The earliest of equally steady windows
    (to 0.01 dB) is returned.

    Example::

        start, deviation_db = flattest_window(tone, 44100, 44100)
    """
    levels = frame_levels_db(tone, rate)
    step = int(rate * FRAME_S)
    width = max(frames // step, 1)
    starts = range(1 if (len(tone) - frames) >= step else 0, (len(tone) - frames) // step + 1)
    deviations = [round(float(np.std(levels[start : start + width])), 2) for start in starts]
    best = int(np.argmin(deviations))
    start = starts[best] * step
    return start, float(np.std(levels[starts[best] : starts[best] + width]))


def without_rumble(tone: F32, rate: int) -> F32:
    """Removes DC and components below about 10 Hz with a zero-phase high-pass filter.

    `tone` is float32 [samples], longer than 1/15 s; returns the same shape and type. The low-frequency part
    is estimated at about 690 Hz, which is cheap: triangular means of the tone (aliases below -60 dB), two
    moving averages of 1/15 s with reflected ends, and linear interpolation. Its response is 1 at DC and below
    -35 dB from 28 Hz on, so no fundamental changes by more than 0.2 dB.
    """
    hop = rate // COARSE_HZ
    count = len(tone) // hop
    blocks = tone[: count * hop].reshape(count, hop)
    rise = ((np.arange(hop) + 0.5) / hop).astype(np.float32)
    rising = np.einsum("ij,j->i", blocks, rise).astype(np.float64)
    falling = np.einsum("ij->i", blocks) - rising
    slow = _smooth(
        np.concatenate([2 * falling[:1], falling[1:] + rising[:-1], 2 * rising[-1:]]) / hop, rate / hop
    )
    kept = np.empty_like(tone)
    start, step = slow[:-1].astype(np.float32), np.diff(slow).astype(np.float32)
    within = kept[: count * hop].reshape(count, hop)
    np.multiply(step[:, None], rise, out=within)
    within += start[:, None]
    np.subtract(blocks, within, out=within)
    np.subtract(tone[count * hop :], np.float32(slow[-1]), out=kept[count * hop :])
    return kept


def _smooth(values: F64, rate: float) -> F64:
    """Applies two moving averages of 1/15 s with reflected ends: float64 [values] to float64 [values]."""
    half = round(rate / 30)
    box = np.full(2 * half + 1, 1.0 / (2 * half + 1))
    return np.convolve(np.pad(values, 2 * half, mode="reflect"), np.convolve(box, box), mode="valid")


def is_hard_clipped(tone: F32) -> bool:
    """Returns whether a waveform, float32 [samples], is clipped at full scale.

    It is if its peak is 1 within 0.1%, and over 20% of the samples are within 0.1% of it. A square wave
    counts as clipped only if it is exactly full scale.
    """
    peak = float(np.abs(tone).max())
    return 0.999 <= peak <= 1.001 and float(np.mean(np.abs(tone) >= 0.999 * peak)) > 0.2
