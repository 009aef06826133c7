"""Makes all tones of a timbre from one second of one note (`pitching: one_shot`), as SynthCAT does.

The crop becomes a seamless loop. Its length is the lag at which the crop is most similar to its own start
(normalised squared difference); start and end are cross-faded at constant power.

A loop is periodic, so its spectrum is discrete. Partials that would alias at the new pitch are removed
exactly. The loop is oversampled four times, and read at the new speed with a short Kaiser-windowed sinc.
Images and rounding errors stay below -90 dB at any pitch.
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
"""The shortest loop, as a fraction of the crop."""
LOWEST_HZ = 20.0
OVERSAMPLING = 4
TAPS = 16
KAISER_BETA = 9.0
PHASES = 4096
"""The number of tabulated kernels per sample; between them, kernels are interpolated linearly."""


def make_loop(crop: F32, rate: int) -> F64:
    """Makes a seamless loop from a crop: float32 [samples] to one period, float64 [samples].

    Example::

        loop = make_loop(crop, 44100)
        octave_up = resample_loop(loop, 2.0, frames=132_300, rate=44100)
    """
    samples = np.asarray(crop, dtype=np.float64)
    fade = min(int(FADE_S * rate), len(samples) // 4)
    head = samples[:fade]
    first, last = int(SHORTEST_SHARE * len(samples)), len(samples) - fade
    # The similarity of samples[p : p + fade] to the head, for every p: 1 if they are equal.
    padded = 1 << (len(samples) + fade).bit_length()
    against = np.fft.rfft(samples, padded) * np.conj(np.fft.rfft(head, padded))
    products = np.fft.irfft(against, padded)[first : last + 1]
    sums = np.concatenate([[0.0], np.cumsum(samples**2)])
    energies = sums[first + fade : last + fade + 1] - sums[first : last + 1]
    similarity = 2.0 * products / np.maximum(energies + sums[fade], 1e-20)
    length = first + int(np.argmax(similarity))
    # Fades from what follows the loop's end into its start, so that the end continues into the start.
    loop = samples[:length].copy()
    after = samples[length : length + fade]
    share = 0.5 - 0.5 * np.cos(np.pi * (np.arange(fade) + 0.5) / fade)
    correlation = float(np.clip(np.max(similarity), 0.0, 1.0))
    power = share**2 + (1.0 - share) ** 2 + 2.0 * share * (1.0 - share) * correlation
    loop[:fade] = (share * head + (1.0 - share) * after) / np.sqrt(power)
    return loop


def resample_loop(loop: F64, ratio: float, frames: int, rate: int) -> F32:
    """Plays a loop at `ratio` times its speed, without aliasing: float32 [frames].

    `loop` is one period, float64 [samples]. Components below 20 Hz after the change are removed.
    """
    spectrum = np.fft.rfft(loop)
    # Removes what would be above 98% of the Nyquist frequency after the change of pitch.
    highest = int(np.floor(0.98 * min(1.0, 1.0 / ratio) * (len(loop) // 2)))
    spectrum[highest + 1 :] = 0.0
    # Removes components below `LOWEST_HZ`: a short loop has many of them.
    lowest = int(np.ceil(LOWEST_HZ / rate / ratio * len(loop)))
    spectrum[:lowest] = 0.0
    table = np.fft.irfft(spectrum, OVERSAMPLING * len(loop)) * OVERSAMPLING
    table = np.concatenate([table[-TAPS:], table, table[:TAPS]])
    places = (np.arange(frames, dtype=np.float64) * ratio % len(loop)) * OVERSAMPLING
    index = np.floor(places).astype(np.int64)
    fraction = (places - index) * PHASES
    phase = fraction.astype(np.int64)
    rest = (fraction - phase)[:, None]
    kernel = _kernels()
    weights = kernel[phase] * (1.0 - rest) + kernel[phase + 1] * rest
    windows = np.lib.stride_tricks.sliding_window_view(table, TAPS)
    return np.asarray(np.einsum("ij,ij->i", windows[index + TAPS - TAPS // 2 + 1], weights), dtype=np.float32)


@lru_cache(maxsize=1)
def _kernels() -> F64:
    """Tabulates Kaiser-windowed sincs for each fractional delay: float64 [PHASES + 1, TAPS], sums 1."""
    distance = tap_offsets(TAPS)[None, :] - np.arange(PHASES + 1)[:, None] / PHASES
    kernel = kaiser_sinc(distance, TAPS, KAISER_BETA) * (np.abs(distance) < TAPS / 2)
    return np.asarray(kernel / kernel.sum(axis=1, keepdims=True))
