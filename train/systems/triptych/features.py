"""What the encoder sees of a clip, at one frame every 512 samples; computed without gradients.

- `mel`: log-mel of 2048 samples, the frame's colour;
- `fine`: four log-mels of 512 samples and eight levels of 6 ms inside the frame, for the timing;
- `stack`: log magnitudes at the harmonics of each of 88 candidate pitches (window 4096);
- `level`: the mean power every 64 samples, for envelopes and velocities.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from train.spectral import frames_of, level_curve, log_mel, magnitudes

HOP = 512
LEVEL_HOP = 64
MELS = 96
FINE_MELS = 32
FINE = 4 * FINE_MELS + HOP // LEVEL_HOP
LOWEST_PITCH = 21
PITCHES = 88
PARTIALS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
FLOOR = 1e-4


class Features(NamedTuple):
    """Features of B clips over F frames (`level` over F * 8 finer steps)."""

    mel_BFM: Tensor
    fine_BFC: Tensor
    stack_BFPH: Tensor
    level_BL: Tensor


def compress(power_or_magnitude: Tensor, floor: float) -> Tensor:
    """log10, moved so that full scale is near 1 and the floor near -1."""
    return power_or_magnitude.clamp(min=floor).log10() * 0.5 + 1.0


@torch.no_grad()
def features(audio_BT: Tensor, rate: int) -> Features:
    """The features of clips [B, T] at full scale 1."""
    with torch.autocast(audio_BT.device.type, enabled=False):
        audio_BT = audio_BT.float()
        count = frames_of(audio_BT.shape[1], HOP)
        mel = log_mel(magnitudes(audio_BT, 2048, HOP) / 512.0, rate, MELS, FLOOR) * 0.5 + 1.0
        short = log_mel(magnitudes(audio_BT, 512, HOP // 4) / 128.0, rate, FINE_MELS, FLOOR) * 0.5 + 1.0
        level = level_curve(audio_BT, LEVEL_HOP, 2)
        shape = (audio_BT.shape[0], count, -1)
        fine = torch.cat(
            [
                _around(short, count, HOP // (HOP // 4)).reshape(shape),
                _around(compress(level.sqrt(), FLOOR)[:, :, None], count, HOP // LEVEL_HOP).reshape(shape),
            ],
            dim=-1,
        )
        return Features(mel, fine, harmonic_stack(audio_BT, rate), level)


def _around(fine_BSC: Tensor, frames: int, ratio: int) -> Tensor:
    """The `ratio` fine steps around each coarse frame: [B, frames, ratio, C]."""
    padded = F.pad(fine_BSC, (0, 0, ratio // 2, frames * ratio), mode="constant", value=-1.0)
    return padded[:, : frames * ratio].reshape(len(padded), frames, ratio, -1)


@lru_cache(maxsize=8)
def _stack_bins(rate: int, window: int, device: torch.device) -> tuple[Tensor, Tensor]:
    pitches = torch.arange(LOWEST_PITCH, LOWEST_PITCH + PITCHES, dtype=torch.float64)
    frequencies = 440.0 * 2.0 ** ((pitches - 69.0) / 12.0)
    bins = frequencies[:, None] * torch.tensor(PARTIALS, dtype=torch.float64) * window / rate
    bins = bins.clamp(max=window // 2 - 1).flatten()
    low = bins.floor().long()
    return low.to(device), (bins - low).float().to(device)


def harmonic_stack(audio_BT: Tensor, rate: int, window: int = 4096) -> Tensor:
    """Log magnitudes at `PARTIALS` of each candidate pitch, [B, F, 88, len(PARTIALS)].

    The same few numbers for each candidate, so that one small network judges them all and what it
    learns at one pitch holds at the others.
    """
    spectrum = compress(magnitudes(audio_BT, window, HOP) / (window / 4.0), FLOOR)
    low, weight = _stack_bins(rate, window, audio_BT.device)
    values = torch.lerp(spectrum[..., low], spectrum[..., low + 1], weight)
    return values.reshape(*values.shape[:-1], PITCHES, len(PARTIALS))
