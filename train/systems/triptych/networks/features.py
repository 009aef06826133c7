"""Extracts the spectral features of a clip, without gradients.

- `mel`: log-mel spectrum of 2048 samples every 512: the spectral envelope of a frame;
- `fine`: two log-mel spectra of 512 samples and eight levels of 6 ms within a frame, for timing;
- `long`: magnitudes of 4096 samples every 1024, for pitches and the timbre's profile;
- `stack`: log magnitudes of `long` at the harmonics of each of 88 candidate pitches;
- `level`: mean power every 64 samples, for envelopes and velocities.

Shape suffixes: B clips, T samples, F frames of 512 samples, G frames of 1024, N = B * G frames of all clips,
S fine steps, L level steps of 64, M mel bands, C bins or channels, H partials of a candidate, P candidate
pitches.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from train.audio.spectral import frame_count, level_curve, log_mel, magnitudes

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
"""The multiples of a candidate pitch's f0 that the stack holds; half multiples tell octaves apart."""
FLOOR = 1e-4


class Features(NamedTuple):
    """The features of B clips, float32.

    Attributes:
        mel_BFM: log-mel spectra, about -1..1.
        fine_BFC: fine spectra and levels, about -1..1.
        long_BGC: linear magnitudes.
        stack_HPN: log magnitudes; all clips' frames in one row, so that reading one partial of a candidate is
            copying a row.
        level_BL: mean power.
    """

    mel_BFM: Tensor
    fine_BFC: Tensor
    long_BGC: Tensor
    stack_HPN: Tensor
    level_BL: Tensor


def log_compress(magnitude: Tensor, floor: float) -> Tensor:
    """Maps magnitudes to 0.5 log10 + 1, so that full scale is near 1 and the floor near -1."""
    return magnitude.clamp(min=floor).log10() * 0.5 + 1.0


@torch.no_grad()
def extract_features(audio_BT: Tensor, rate: int) -> Features:
    """Extracts the features of clips.

    Args:
        audio_BT: clips of full scale 1, at a peak of -1 dBFS as in the dataset.
        rate: sample rate in Hz.

    Example::

        features = extract_features(torch.from_numpy(audio)[None], 44_100)
    """
    with torch.autocast(audio_BT.device.type, enabled=False):
        audio_BT = audio_BT.float()
        count = frame_count(audio_BT.shape[1], HOP)
        mel = log_mel(magnitudes(audio_BT, 2048, HOP) / 512.0, rate, MELS, FLOOR) * 0.5 + 1.0
        short = log_mel(magnitudes(audio_BT, 512, FINE_HOP) / 128.0, rate, FINE_MELS, FLOOR) * 0.5 + 1.0
        level = level_curve(audio_BT, LEVEL_HOP, 2)
        fine = torch.cat(
            [
                _group_steps(short, count, HOP // FINE_HOP),
                _group_steps(log_compress(level.sqrt(), FLOOR)[:, :, None], count, HOP // LEVEL_HOP),
            ],
            dim=-1,
        )
        long = magnitudes(audio_BT, LONG_WINDOW, LONG_HOP)
        return Features(mel, fine, long, harmonic_stack(long, rate), level)


def _group_steps(fine_BSC: Tensor, frames: int, ratio: int) -> Tensor:
    """Groups the `ratio` fine steps around each frame: [B, frames, ratio * C]."""
    padded = F.pad(fine_BSC, (0, 0, ratio // 2, frames * ratio), mode="constant", value=-1.0)
    return padded[:, : frames * ratio].reshape(len(padded), frames, -1)


@lru_cache(maxsize=8)
def _stack_bins(rate: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Returns the bin below each candidate's partials, and the fraction towards the next: [H * P] each."""
    pitches = torch.arange(LOWEST_PITCH, LOWEST_PITCH + PITCHES, dtype=torch.float64)
    frequencies = 440.0 * 2.0 ** ((pitches - 69.0) / 12.0)
    bins = torch.tensor(PARTIALS, dtype=torch.float64)[:, None] * frequencies * LONG_WINDOW / rate
    bins = bins.clamp(max=LONG_WINDOW // 2 - 1).flatten()
    low = bins.floor().long()
    return low.to(device), (bins - low).float().to(device)


def harmonic_stack(long_BGC: Tensor, rate: int) -> Tensor:
    """Reads log magnitudes at `PARTIALS` of each candidate pitch, [H, P, B * G].

    All candidates have the same few numbers. So one small network scores all of them, and what it learns at
    one pitch holds at the others.
    """
    low, weight = _stack_bins(rate, long_BGC.device)
    top = int(low.max()) + 2
    spectrum = log_compress(long_BGC[..., :top].flatten(0, 1).T.contiguous() / (LONG_WINDOW / 4.0), FLOOR)
    values = torch.lerp(spectrum[low], spectrum[low + 1], weight[:, None])
    return values.reshape(len(PARTIALS), PITCHES, -1)


def octave_traits(stack_HPN: Tensor) -> Tensor:
    """Computes what distinguishes a candidate pitch from those an octave away, [N, P, 2].

    The traits are half multiples against harmonics, and odd harmonics against even ones, in log10 units
    halved. Within one timbre they are similar at all pitches.
    """
    subharmonics, odd, even = (
        stack_HPN[[PARTIALS.index(partial) for partial in partials]].mean(0)
        for partials in ((0.5, 1.5), (1.0, 3.0, 5.0), (2.0, 4.0, 6.0))
    )
    return torch.stack([subharmonics - (odd + even) / 2.0, odd - even], dim=-1).transpose(0, 1)
