"""Band-limited resampling of batches of audio, on any device: `train.audio.resampling` for tensors.

B sounds of T samples.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from train.audio.resampling import ResamplingPlan


def resample_batch(audio_BT: Tensor, rate: int, wanted: int) -> Tensor:
    """Resamples audio [B, T] from `rate` to `wanted` Hz: float32 [B, ceil(T * wanted / rate)].

    Example: `resample_batch(torch.zeros(2, 44_100), 44_100, 16_000).shape` is (2, 16000).
    """
    audio_BT = audio_BT.float()
    if rate == wanted:
        return audio_BT
    samples = audio_BT.shape[1]
    plan = ResamplingPlan.of(samples, rate, wanted)
    spectrum = torch.fft.rfft(F.pad(audio_BT, (plan.margin, plan.total - plan.margin - samples)))
    inside = plan.band(torch.arange(spectrum.shape[1], device=audio_BT.device) * (rate / plan.total))
    spectrum = spectrum * (0.5 - 0.5 * torch.cos(math.pi * inside))
    kept = plan.longer // 2 + 1
    spectrum = F.pad(spectrum, (0, max(kept - spectrum.shape[1], 0)))[:, :kept]
    result: Tensor = torch.fft.irfft(spectrum, plan.longer)[:, plan.start : plan.start + plan.length]
    return result * (plan.longer / plan.total)
