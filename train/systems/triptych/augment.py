"""A random equaliser on whole clips: timbres that no synth in the data has.

An equaliser and a gain commute as long as the gain is slow for the equaliser's short impulse response, so a
clip that went through one still is gain times a dry sound, of another timbre.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

BANDS = 8
LOWEST_HZ, HIGHEST_HZ = 60.0, 16_000.0


def equalise(audio_BT: Tensor, decibel_BE: Tensor, rate: int) -> Tensor:
    """Clips through zero-phase equalisers: `decibel_BE` at 8 frequencies, evenly on a logarithmic scale,
    between which it is interpolated."""
    samples = audio_BT.shape[-1]
    longer = samples + rate // 20
    hertz = torch.fft.rfftfreq(longer, 1.0 / rate, device=audio_BT.device).clamp(LOWEST_HZ, HIGHEST_HZ)
    at = (hertz.log() - math.log(LOWEST_HZ)) / math.log(HIGHEST_HZ / LOWEST_HZ) * (BANDS - 1)
    low = at.floor().long().clamp(max=BANDS - 2)
    part = 0.5 - 0.5 * torch.cos(math.pi * (at - low))
    gain = torch.lerp(decibel_BE[:, low], decibel_BE[:, low + 1], part) * (math.log(10.0) / 20.0)
    spectrum = torch.fft.rfft(F.pad(audio_BT.float(), (0, longer - samples)))
    equalised: Tensor = torch.fft.irfft(spectrum * gain.exp(), longer)[..., :samples]
    return equalised


def level_change(before_BT: Tensor, after_BT: Tensor) -> Tensor:
    """By which factor the RMS of each clip changed, [B]; 1 for silence."""
    power = before_BT.square().mean(-1)
    change = (after_BT.square().mean(-1) / power.clamp(min=1e-12)).sqrt()
    return torch.where(power > 1e-12, change, torch.ones_like(change))
