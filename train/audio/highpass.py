"""Removes constant offsets and rumble from recordings, by a linear-phase high-pass without delay."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from train.audio.files import scratch

F32 = npt.NDArray[np.float32]

REACH_S = 0.093
"""Half the length of the impulse response: it falls within about 17 Hz from pass to stop."""

PART = 1 << 20
"""Samples that are filtered at once."""


@lru_cache(maxsize=8)
def _lowpass(cutoff_hz: float, rate: int) -> F32:
    """Returns a Hann-windowed sinc whose response is exactly 1 at 0 Hz: float32 [2 * reach + 1]."""
    reach = round(REACH_S * rate)
    time = np.arange(-reach, reach + 1)
    kernel = np.sinc(2.0 * cutoff_hz / rate * time) * np.hanning(2 * reach + 3)[1:-1]
    return np.asarray(kernel / kernel.sum(), dtype=np.float32)


def highpass(audio: npt.NDArray[np.floating], cutoff_hz: float, rate: int) -> F32:
    """High-passes mono audio [samples]: float32 [samples]; long results lie in a file (`scratch`).

    The first and last samples are taken to go on beyond the ends, so that a constant offset leaves nothing at
    all. The window method is that of Oppenheim and Schafer, "Discrete-Time Signal Processing", section 7.5.

    >>> float(np.abs(highpass(np.full(4410, 0.5), 25.0, 44_100)).max()) < 1e-7
    True
    """
    # Imported here, so that what needs no audio starts fast.
    from scipy.signal import oaconvolve

    kernel = _lowpass(cutoff_hz, rate)
    reach = len(kernel) // 2
    result = scratch(len(audio))
    for start in range(0, len(audio), PART):
        stop = min(start + PART, len(audio))
        first, last = max(start - reach, 0), min(stop + reach, len(audio))
        part = np.asarray(audio[first:last], dtype=np.float32)
        padded = np.pad(part, (reach - (start - first), reach - (last - stop)), mode="edge")
        result[start:stop] = padded[reach:-reach] - oaconvolve(padded, kernel, mode="valid")
    return result
