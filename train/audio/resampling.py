"""Band-limited resampling by the FFT of the whole sound.

The spectrum is cut, or filled up with zeros, to the length of the wanted rate. The last tenth below the lower
Nyquist frequency is faded out by a raised cosine, so that sharp edges ring less. Silence is laid around the
sound, since a discrete spectrum joins its end to its beginning. `train.audio.batch_resampling` is the same
for tensors.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Audio = npt.NDArray[np.float32]

MARGIN_S = 0.05
"""Silence laid around the sound, in seconds at least."""
FADED_SHARE = 0.1
"""Share of the band, up to its edge, that is faded out."""


class ResamplingPlan(NamedTuple):
    """The lengths that resampling a sound takes, in samples, and the edge of the band kept, in Hz.

    The sound is padded with `margin` samples of silence before it and to `total` in all. These become
    `longer` samples at the wanted rate, of which `length` from `start` on are the result.
    """

    margin: int
    total: int
    longer: int
    start: int
    length: int
    edge: float

    @classmethod
    def of(cls, samples: int, rate: int, wanted: int) -> ResamplingPlan:
        """Plans the resampling of `samples` samples from `rate` to `wanted` Hz.

        Example: `ResamplingPlan.of(44_100, 44_100, 16_000).length` is 16000.
        """
        # All lengths are multiples of `step`, so that they are whole numbers at both rates.
        step = rate // math.gcd(rate, wanted)
        margin = math.ceil(MARGIN_S * rate / step) * step
        total = math.ceil((samples + 2 * margin) / step) * step
        return cls(
            margin=margin,
            total=total,
            longer=total * wanted // rate,
            start=margin * wanted // rate,
            length=math.ceil(samples * wanted / rate),
            edge=min(rate, wanted) / 2.0,
        )

    def band(self, hertz: Any) -> Any:
        """Computes how far each frequency lies inside the band: 1 below the fade, 0 from the edge on.

        `hertz` is an array or a tensor of frequencies in Hz; the result has its kind and shape.
        """
        return ((self.edge - hertz) / (FADED_SHARE * self.edge)).clip(0.0, 1.0)


def resample(audio: Audio, rate: int, wanted: int) -> Audio:
    """Resamples mono audio, float32 [n] at `rate` Hz, to `wanted` Hz: float32 [ceil(n * wanted / rate)].

    Example: `resample(np.zeros(44_100, dtype=np.float32), 44_100, 16_000).shape` is (16000,).
    """
    if rate == wanted:
        return audio
    plan = ResamplingPlan.of(len(audio), rate, wanted)
    padded = np.pad(audio.astype(np.float64), (plan.margin, plan.total - plan.margin - len(audio)))
    spectrum = np.fft.rfft(padded)
    inside = plan.band(np.arange(len(spectrum)) * (rate / plan.total))
    spectrum *= 0.5 - 0.5 * np.cos(np.pi * inside)
    kept = np.zeros(plan.longer // 2 + 1, dtype=np.complex128)
    width = min(len(kept), len(spectrum))
    kept[:width] = spectrum[:width]
    result = np.fft.irfft(kept, plan.longer) * (plan.longer / plan.total)
    return result[plan.start : plan.start + plan.length].astype(np.float32)
