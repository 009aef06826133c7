"""Computes a constant-Q transform, the input of the structure encoder.

The method applies windows to the spectrum of a clip: Velasco, Holighaus, Doerfler and Grill, "Constructing an
invertible constant-Q transform with nonstationary Gabor frames", DAFx 2011. Each bin has a Hann window around
its frequency, four bins wide, and is transformed back at a rate that its octave needs. Its power is then
averaged over each latent frame.

Shape suffixes: B clips, T samples, C bins, F latent frames.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

OCTAVES, BINS_AN_OCTAVE = 8, 32
BINS = OCTAVES * BINS_AN_OCTAVE
LOWEST = 32.703
"""Frequency of the first bin in Hz: C1."""
SCALE = 200.0
"""Factor on amplitudes: the power of a full-scale sine is 1e4, that of noise at -80 dBFS far below 1."""
MARGIN = 64
"""Frames of silence behind a clip, since a discrete spectrum is periodic in time."""


class Octave(NamedTuple):
    """The bins of one octave.

    Attributes:
        place: indices into the clip's spectrum, int64 [BINS_AN_OCTAVE, width].
        window: windows on them, float32 [BINS_AN_OCTAVE, width].
        finer: values that a latent frame holds.
    """

    place: Tensor
    window: Tensor
    finer: int


def frequencies() -> list[float]:
    """Returns the centre frequencies in Hz, [BINS]."""
    return [LOWEST * 2.0 ** (number / BINS_AN_OCTAVE) for number in range(BINS)]


@lru_cache(maxsize=32)
def _octaves(frames: int, hop: int, rate: int, device: torch.device) -> list[Octave]:
    """Computes the octaves for clips of `frames` latent frames, margin included."""
    spacing = rate / (frames * hop)
    last = frames * hop // 2
    constant = 2.0 ** (1.0 / BINS_AN_OCTAVE) - 1.0
    octaves = []
    for number in range(OCTAVES):
        centres = frequencies()[number * BINS_AN_OCTAVE : (number + 1) * BINS_AN_OCTAVE]
        # The power of a signal of bandwidth w has bandwidth 2 w.
        widest = 4.0 * constant * centres[-1]
        finer = 2 ** max(0, math.ceil(math.log2(2.0 * widest * hop / rate)))
        width = min(int(widest / spacing) + 1, frames * finer)
        half = torch.tensor(centres, dtype=torch.float64)[:, None] * (2.0 * constant)
        centre = torch.tensor(centres, dtype=torch.float64)[:, None]
        first = ((centre - half) / spacing).ceil()
        place = first + torch.arange(width)
        offset = (place * spacing - centre) / half
        window = torch.where(offset.abs() < 1.0, 0.5 + 0.5 * torch.cos(math.pi * offset), 0.0)
        inside = (place >= 0) & (place <= last)
        window = torch.where(inside, window, 0.0).float()
        octaves.append(Octave(place.clamp(0, last).long().to(device), window.to(device), finer))
    return octaves


def cqt_power(audio_BT: Tensor, hop: int, rate: int) -> Tensor:
    """Computes the power of each bin and latent frame: float32 [B, BINS, ceil(T / hop)].

    A sine of amplitude a has a power of (SCALE * a / 2)^2.

    Args:
        audio_BT: clips of full scale 1.
        hop: samples of a latent frame.
        rate: sample rate in Hz.
    """
    with torch.autocast(audio_BT.device.type, enabled=False):
        frames = -(-audio_BT.shape[1] // hop)
        padded = frames + MARGIN
        spectrum = torch.fft.rfft(F.pad(audio_BT.float(), (0, padded * hop - audio_BT.shape[1])))
        rows = []
        for octave in _octaves(padded, hop, rate, audio_BT.device):
            bands = spectrum[:, octave.place] * octave.window
            values = torch.fft.ifft(bands, padded * octave.finer) * (octave.finer / hop * SCALE)
            power = values.real.square() + values.imag.square()
            rows.append(F.avg_pool1d(power, octave.finer)[..., :frames])
        return torch.cat(rows, dim=1)
