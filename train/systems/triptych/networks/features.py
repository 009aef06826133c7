"""What the encoder sees of a clip, at one frame every 512 samples; computed without gradients.

- `mel`: log-mel of 2048 samples, the frame's colour;
- `fine`: two log-mels of 512 samples and eight levels of 6 ms inside the frame, for the timing;
- `long`: magnitudes of 4096 samples, every 1024: pitches are read there, and the timbre's profile;
- `stack`: of `long`, the log magnitudes at the harmonics of each of 88 candidate pitches;
- `level`: the mean power every 64 samples, for envelopes and velocities.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from train.audio.spectral import frames_of, level_curve, log_mel, magnitudes

HOP = 512
LEVEL_HOP = 64
FINE_HOP = 256
LONG_WINDOW = 4096
LONG_HOP = 1024
MELS = 96
FINE_MELS = 32
FINE = FINE_MELS * HOP // FINE_HOP + HOP // LEVEL_HOP
LOWEST_PITCH = 21
PITCHES = 88
PARTIALS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0)
FLOOR = 1e-4


class Features(NamedTuple):
    """Features of B clips: F frames of 512 samples, G of 1024, L level steps of 64, C bins.

    `stack_HPN` has all clips' frames in a row, N = B * G, so that reading one partial of one candidate is
    copying a row.
    """

    mel_BFM: Tensor
    fine_BFC: Tensor
    long_BGC: Tensor
    stack_HPN: Tensor
    level_BL: Tensor


def compress(magnitude: Tensor, floor: float) -> Tensor:
    """log10, halved and moved so that full scale is near 1 and the floor near -1."""
    return magnitude.clamp(min=floor).log10() * 0.5 + 1.0


@torch.no_grad()
def features(audio_BT: Tensor, rate: int) -> Features:
    """The features of clips [B, T] at full scale 1."""
    with torch.autocast(audio_BT.device.type, enabled=False):
        audio_BT = audio_BT.float()
        count = frames_of(audio_BT.shape[1], HOP)
        mel = log_mel(magnitudes(audio_BT, 2048, HOP) / 512.0, rate, MELS, FLOOR) * 0.5 + 1.0
        short = log_mel(magnitudes(audio_BT, 512, FINE_HOP) / 128.0, rate, FINE_MELS, FLOOR) * 0.5 + 1.0
        level = level_curve(audio_BT, LEVEL_HOP, 2)
        fine = torch.cat(
            [
                _around(short, count, HOP // FINE_HOP),
                _around(compress(level.sqrt(), FLOOR)[:, :, None], count, HOP // LEVEL_HOP),
            ],
            dim=-1,
        )
        long = magnitudes(audio_BT, LONG_WINDOW, LONG_HOP)
        return Features(mel, fine, long, harmonic_stack(long, rate), level)


def _around(fine_BSC: Tensor, frames: int, ratio: int) -> Tensor:
    """The `ratio` fine steps around each coarse frame: [B, frames, ratio * C]."""
    padded = F.pad(fine_BSC, (0, 0, ratio // 2, frames * ratio), mode="constant", value=-1.0)
    return padded[:, : frames * ratio].reshape(len(padded), frames, -1)


@lru_cache(maxsize=8)
def _stack_bins(rate: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Which bin each candidate's partials fall on, and how far towards the next: [H * P]."""
    pitches = torch.arange(LOWEST_PITCH, LOWEST_PITCH + PITCHES, dtype=torch.float64)
    frequencies = 440.0 * 2.0 ** ((pitches - 69.0) / 12.0)
    bins = torch.tensor(PARTIALS, dtype=torch.float64)[:, None] * frequencies * LONG_WINDOW / rate
    bins = bins.clamp(max=LONG_WINDOW // 2 - 1).flatten()
    low = bins.floor().long()
    return low.to(device), (bins - low).float().to(device)


def harmonic_stack(long_BGC: Tensor, rate: int) -> Tensor:
    """Log magnitudes at `PARTIALS` of each candidate pitch, [H, P, B * G].

    The same few numbers for each candidate, so that one small network judges them all and what it
    learns at one pitch holds at the others.
    """
    low, weight = _stack_bins(rate, long_BGC.device)
    top = int(low.max()) + 2
    spectrum = compress(long_BGC[..., :top].flatten(0, 1).T.contiguous() / (LONG_WINDOW / 4.0), FLOOR)
    values = torch.lerp(spectrum[low], spectrum[low + 1], weight[:, None])
    return values.reshape(len(PARTIALS), PITCHES, -1)


def octave_traits(stack_HPN: Tensor) -> Tensor:
    """What tells a candidate pitch from those an octave away, [N, P, 2]: its half multiples against its
    harmonics, and its odd harmonics against its even ones. Of one timbre they are alike at all pitches."""
    halves, odd, even = (
        stack_HPN[[PARTIALS.index(partial) for partial in some]].mean(0)
        for some in ((0.5, 1.5), (1.0, 3.0, 5.0), (2.0, 4.0, 6.0))
    )
    return torch.stack([halves - (odd + even) / 2.0, odd - even], dim=-1).transpose(0, 1)
