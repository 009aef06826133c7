"""Levels of a tone over time, and the stretch of it where the level is flattest."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

FRAME_S = 0.05
FLOOR = 1e-7


def frame_levels_db(tone: F32, rate: int) -> F64:
    """RMS levels in dB of frames of 50 ms, one behind the other: float64 [frames]; `tone` is [samples].

    The tone has no DC; a low tone has only two or three periods in a frame, which is why the frames are
    not shorter.
    """
    length = int(rate * FRAME_S)
    count = len(tone) // length
    frames = tone[: count * length].reshape(count, length)
    power = np.einsum("ij,ij->i", frames, frames, dtype=np.float64) / length
    return np.asarray(10.0 * np.log10(power + FLOOR**2))


def flattest_window(tone: F32, rate: int, frames: int) -> tuple[int, float]:
    """Where the `frames` samples with the flattest level begin, and their level's deviation in dB.

    Starts lie on the grid of level frames; the first one of the tone, where it may still click, is left
    out if there is room. The earliest wins where several are equally flat (to 0.01 dB).
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
    """`tone` [samples] less all that is slower than about 10 Hz, DC included; its phase is untouched.

    What is subtracted is two moving averages of 1/15 s, one upon the other: their response is 1 at DC,
    and below -35 dB from 28 Hz on, so no fundamental changes by more than 0.2 dB. The ends are reflected:
    the tone is longer than 1/15 s.
    """
    half = rate // 30
    width, pad, count = 2 * half + 1, 2 * half, len(tone)
    sums = np.zeros(1 + pad + count + pad)
    sums[1 + pad : 1 + pad + count] = tone
    sums[1 : 1 + pad] = sums[1 + 2 * pad : 1 + pad : -1]
    sums[1 + pad + count :] = sums[pad + count - 1 : count - 1 : -1]
    np.cumsum(sums, out=sums)
    again = np.zeros(len(sums) - width + 1)
    slow = np.subtract(sums[width:], sums[:-width], out=again[1:])
    slow /= width
    np.cumsum(again, out=again)
    slow = again[width:] - again[:-width]
    slow /= width
    return np.subtract(tone, slow, out=slow).astype(np.float32)


def pinned_to_rail(tone: F32) -> bool:
    """Whether a waveform [samples] that is no square wave was cut off by a fixed limit at full scale."""
    peak = float(np.abs(tone).max())
    return 0.999 <= peak <= 1.001 and float(np.mean(np.abs(tone) >= 0.999 * peak)) > 0.2
