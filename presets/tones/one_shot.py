"""`pitching: one_shot`: all tones of a timbre from one second of one note, as SynthCAT makes them.

The crop is closed to a loop: its length is the one whose end is most like its beginning (normalised
square difference), and the end is faded over into what lies before the beginning, at constant power. A
loop repeats for ever, so its spectrum is a line spectrum: what would alias at another pitch is left out of
it exactly, it is tabulated four times as dense, and read off there by a short windowed sinc. Images and
rounding stay below -90 dB, whatever the pitch.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from manifests.dsp.windowed_sinc import kaiser_sinc, tap_offsets

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

CROP_S = 1.0
FADE_S = 0.05
SHORTEST_SHARE = 0.4
"""A loop is at least this share of the crop."""
LOWEST_HZ = 20.0
DENSE = 4
TAPS = 16
KAISER = 9.0
PHASES = 4096
"""Kernels are tabulated this finely, and interpolated linearly."""


def make_loop(crop: F32, rate: int) -> F64:
    """The crop [samples] as one period of an endless sound: float64 [samples of the loop]."""
    samples = np.asarray(crop, dtype=np.float64)
    fade = min(int(FADE_S * rate), len(samples) // 4)
    head = samples[:fade]
    first, last = int(SHORTEST_SHARE * len(samples)), len(samples) - fade
    # The likeness of samples[p : p + fade] to the head, for every p: 1 where they are equal.
    padded = 1 << (len(samples) + fade).bit_length()
    against = np.fft.rfft(samples, padded) * np.conj(np.fft.rfft(head, padded))
    products = np.fft.irfft(against, padded)[first : last + 1]
    sums = np.concatenate([[0.0], np.cumsum(samples**2)])
    energies = sums[first + fade : last + fade + 1] - sums[first : last + 1]
    likeness = 2.0 * products / np.maximum(energies + sums[fade], 1e-20)
    length = first + int(np.argmax(likeness))
    # The first samples come faded over from what follows the loop's end: so its end leads to its start.
    loop = samples[:length].copy()
    after = samples[length : length + fade]
    share = 0.5 - 0.5 * np.cos(np.pi * (np.arange(fade) + 0.5) / fade)
    alike = float(np.clip(np.max(likeness), 0.0, 1.0))
    power = share**2 + (1.0 - share) ** 2 + 2.0 * share * (1.0 - share) * alike
    loop[:fade] = (share * head + (1.0 - share) * after) / np.sqrt(power)
    return loop


def resample_loop(loop: F64, ratio: float, frames: int, rate: int) -> F32:
    """`frames` samples of an endless loop, played `ratio` times as fast: float32 [frames]."""
    spectrum = np.fft.rfft(loop)
    # All that would lie beyond half the rate after the change of pitch, with a little to spare.
    highest = int(np.floor(0.98 * min(1.0, 1.0 / ratio) * (len(loop) // 2)))
    spectrum[highest + 1 :] = 0.0
    # And what is no tone: a short loop makes much of it.
    lowest = int(np.ceil(LOWEST_HZ / rate / ratio * len(loop)))
    spectrum[:lowest] = 0.0
    table = np.fft.irfft(spectrum, DENSE * len(loop)) * DENSE
    table = np.concatenate([table[-TAPS:], table, table[:TAPS]])
    places = (np.arange(frames, dtype=np.float64) * ratio % len(loop)) * DENSE
    whole = np.floor(places).astype(np.int64)
    between = (places - whole) * PHASES
    phase = between.astype(np.int64)
    rest = (between - phase)[:, None]
    kernel = _kernels()
    weights = kernel[phase] * (1.0 - rest) + kernel[phase + 1] * rest
    windows = np.lib.stride_tricks.sliding_window_view(table, TAPS)
    return np.asarray(np.einsum("ij,ij->i", windows[whole + TAPS - TAPS // 2 + 1], weights), dtype=np.float32)


@lru_cache(maxsize=1)
def _kernels() -> F64:
    """Kaiser-windowed sincs for every phase of a sample: float64 [PHASES + 1, TAPS], each summing to 1."""
    distance = tap_offsets(TAPS)[None, :] - np.arange(PHASES + 1)[:, None] / PHASES
    kernel = kaiser_sinc(distance, TAPS, KAISER) * (np.abs(distance) < TAPS / 2)
    return np.asarray(kernel / kernel.sum(axis=1, keepdims=True))
