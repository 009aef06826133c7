"""Levels of a tone over time, and the stretch of it where the level is flattest."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

FRAME_S = 0.05
FLOOR = 1e-7
COARSE_HZ = 690
"""How finely what is slow is known, about: it is below 30 Hz."""


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

    What is subtracted is found at about 690 Hz, so it costs little: triangular means of the tone (aliases
    of what is not slow stay below -60 dB), smoothed by two moving averages of 1/15 s, and joined by straight
    lines. Their response is 1 at DC, and below -35 dB from 28 Hz on, so no fundamental changes by more than
    0.2 dB. The ends are reflected: the tone is longer than 1/15 s.
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
    """Two moving averages of 1/15 s, one upon the other, the ends reflected: as many values."""
    half = round(rate / 30)
    box = np.full(2 * half + 1, 1.0 / (2 * half + 1))
    return np.convolve(np.pad(values, 2 * half, mode="reflect"), np.convolve(box, box), mode="valid")


def is_hard_clipped(tone: F32) -> bool:
    """Whether a waveform [samples] that is no square wave was cut off by a fixed limit at full scale."""
    peak = float(np.abs(tone).max())
    return 0.999 <= peak <= 1.001 and float(np.mean(np.abs(tone) >= 0.999 * peak)) > 0.2
