"""Integrated loudness by ITU-R BS.1770-4: K-weighting, 400 ms blocks, gates at -70 LUFS and -10 LU.

Both filters are applied as frequency responses over the sound and a second of silence. This is exact but for
the part of the response that wraps around, which has died away by then.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

C128 = npt.NDArray[np.complex128]
F64 = npt.NDArray[np.float64]

QUIETEST = -70.0
"""Absolute gate in LUFS. Quieter blocks do not count; a sound of such blocks alone has this loudness."""

BLOCK_S, STEP_S = 0.4, 0.1


@lru_cache(maxsize=16)
def _k_weighting(rate: int, size: int) -> C128:
    """Computes the response of both filters at the bins of a real FFT: complex128 [size // 2 + 1]."""
    z = np.exp(-2j * np.pi * np.arange(size // 2 + 1) / size)

    def biquad(b: tuple[float, float, float], a: tuple[float, float, float]) -> C128:
        return np.asarray((b[0] + b[1] * z + b[2] * z**2) / (a[0] + a[1] * z + a[2] * z**2))

    # A shelf of +4 dB for the head, and a high pass. These corner frequencies and qualities give the
    # recommendation's coefficients at 48 kHz, and carry them to other rates (De Man 2014).
    k, q = np.tan(np.pi * 1681.974450955533 / rate), 0.7071752369554196
    vh = 10.0 ** (3.999843853973347 / 20.0)
    vb = vh**0.4996667741545416
    a0 = 1.0 + k / q + k * k
    shelf = biquad(
        ((vh + vb * k / q + k * k) / a0, 2.0 * (k * k - vh) / a0, (vh - vb * k / q + k * k) / a0),
        (1.0, 2.0 * (k * k - 1.0) / a0, (1.0 - k / q + k * k) / a0),
    )
    k, q = np.tan(np.pi * 38.13547087602444 / rate), 0.5003270373238773
    a0 = 1.0 + k / q + k * k
    high_pass = biquad((1.0, -2.0, 1.0), (1.0, 2.0 * (k * k - 1.0) / a0, (1.0 - k / q + k * k) / a0))
    return shelf * high_pass


def loudness(audio: npt.ArrayLike, rate: int) -> float:
    """Computes the integrated loudness of mono audio [samples] at `rate` Hz: LUFS, at least -70.

    Example: `loudness(np.zeros(44_100), 44_100)` is -70.0.
    """
    sound = np.asarray(audio, dtype=np.float64)
    size = 1 << int(np.ceil(np.log2(len(sound) + rate)))
    weighted = np.fft.irfft(np.fft.rfft(sound, size) * _k_weighting(rate, size), size)[: len(sound)]
    block, step = round(BLOCK_S * rate), round(STEP_S * rate)
    energy = np.concatenate([[0.0], np.cumsum(weighted**2)])
    starts = np.arange(0, max(len(sound) - block, 0) + 1, step)
    ends = np.minimum(starts + block, len(sound))
    power = (energy[ends] - energy[starts]) / np.maximum(ends - starts, 1)
    power = power[_lufs(power) > QUIETEST]
    if len(power):
        power = power[_lufs(power) > _lufs(np.mean(power)) - 10.0]
    return max(float(_lufs(np.mean(power))), QUIETEST) if len(power) else QUIETEST


def _lufs(power: npt.ArrayLike) -> F64:
    return np.asarray(-0.691 + 10.0 * np.log10(np.maximum(np.asarray(power, dtype=np.float64), 1e-12)))
