"""Batches of audio at another rate, on any device: `train.audio.files.resample` for tensors."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def resample(audio_BT: Tensor, rate: int, wanted: int) -> Tensor:
    """Audio [B, T] from `rate` to `wanted` Hz, [B, ceil(T * wanted / rate)]: the arithmetic, band edge and
    margins of `train.audio.files.resample`, in float32."""
    audio_BT = audio_BT.float()
    if rate == wanted:
        return audio_BT
    samples = audio_BT.shape[1]
    step = rate // math.gcd(rate, wanted)
    margin = math.ceil(0.05 * rate / step) * step
    count = math.ceil(samples * wanted / rate)
    total = math.ceil((samples + 2 * margin) / step) * step
    spectrum = torch.fft.rfft(F.pad(audio_BT, (margin, total - margin - samples)))
    longer = total * wanted // rate
    edge = min(rate, wanted) / 2.0
    hertz = torch.arange(spectrum.shape[1], device=audio_BT.device) * (rate / total)
    fade = ((edge - hertz) / (0.1 * edge)).clamp(0.0, 1.0)
    spectrum = spectrum * (0.5 - 0.5 * torch.cos(math.pi * fade))
    kept = longer // 2 + 1
    spectrum = F.pad(spectrum, (0, max(kept - spectrum.shape[1], 0)))[:, :kept]
    start = margin * wanted // rate
    result: Tensor = torch.fft.irfft(spectrum, longer)[:, start : start + count]
    return result * (longer / total)
