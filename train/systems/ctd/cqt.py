"""A constant-Q spectrum: what the structure encoder hears.

By windows on the spectrum of the whole clip (Velasco, Holighaus, Doerfler, Grill, "Constructing an invertible
constant-Q transform with nonstationary Gabor frames", DAFx 2011): each bin is a Hann window around its
frequency, four bins wide, brought back to time at a rate that its octave needs. Its power is then averaged
over each latent frame.
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
"""Of the first bin, in Hz: C1."""
SCALE = 200.0
"""On amplitudes: a sine of full scale has a power of 1e4, noise at -80 dBFS one far below 1."""
MARGIN = 64
"""Frames of silence behind a clip, since its spectrum wraps its ends together."""


class Octave(NamedTuple):
    """Places in the clip's spectrum and windows on them, [BINS_AN_OCTAVE, width], and how many values a
    latent frame holds."""

    place: Tensor
    window: Tensor
    finer: int


def frequencies() -> list[float]:
    """Centre frequencies in Hz, [BINS]."""
    return [LOWEST * 2.0 ** (number / BINS_AN_OCTAVE) for number in range(BINS)]


@lru_cache(maxsize=32)
def _octaves(frames: int, hop: int, rate: int, device: torch.device) -> list[Octave]:
    """The octaves for clips of so many latent frames, margin included."""
    spacing = rate / (frames * hop)
    last = frames * hop // 2
    constant = 2.0 ** (1.0 / BINS_AN_OCTAVE) - 1.0
    octaves = []
    for number in range(OCTAVES):
        centres = frequencies()[number * BINS_AN_OCTAVE : (number + 1) * BINS_AN_OCTAVE]
        # The power of a band of width w has a band of 2 w.
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
    """Power of each bin and latent frame [B, BINS, ceil(T / hop)]: (SCALE * amplitude / 2)^2 of a sine."""
    with torch.autocast(audio_BT.device.type, enabled=False):
        frames = -(-audio_BT.shape[1] // hop)
        whole = frames + MARGIN
        spectrum = torch.fft.rfft(F.pad(audio_BT.float(), (0, whole * hop - audio_BT.shape[1])))
        rows = []
        for octave in _octaves(whole, hop, rate, audio_BT.device):
            bands = spectrum[:, octave.place] * octave.window
            values = torch.fft.ifft(bands, whole * octave.finer) * (octave.finer / hop * SCALE)
            power = values.real.square() + values.imag.square()
            rows.append(F.avg_pool1d(power, octave.finer)[..., :frames])
        return torch.cat(rows, dim=1)
