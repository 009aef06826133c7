"""A pseudo-quadrature mirror filter bank: splits audio into equal bands at a fraction of the rate, and back.

Cosine modulation of one low-pass prototype (Nguyen, "Near-perfect-reconstruction pseudo-QMF banks", IEEE
Trans. Signal Processing 42(1), 1994). The prototype is a Kaiser window whose cutoff is searched such that the
bands together pass everything. Reconstruction is exact to below -60 dB.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

TAPS = 257
"""Taps of the prototype filter."""
BETA = 9.0
"""Shape parameter of its Kaiser window."""

F64 = npt.NDArray[np.float64]


def prototype(bands: int) -> F64:
    """Designs the low-pass filter, float64 [TAPS].

    The cutoff is chosen such that the filter's autocorrelation vanishes at multiples of `2 * bands` samples.
    """
    places = np.arange(TAPS) - (TAPS - 1) / 2
    window = np.kaiser(TAPS, BETA)

    def filter_at(cutoff: float) -> F64:
        return np.asarray(cutoff * np.sinc(cutoff * places) * window)

    def leak(cutoff: float) -> float:
        overlap = np.correlate(filter_at(cutoff), filter_at(cutoff), "full")[TAPS - 1 :]
        return float(np.abs(overlap[2 * bands :: 2 * bands]).max() / overlap[0])

    low, high = 1.0 / (2 * bands), 1.2 / (2 * bands)
    for _ in range(4):
        grid = np.linspace(low, high, 101)
        best = int(np.argmin([leak(float(cutoff)) for cutoff in grid]))
        low, high = grid[max(best - 1, 0)], grid[min(best + 1, 100)]
    return filter_at((low + high) / 2.0)


class PQMF(nn.Module):
    """Analyses audio into bands and synthesises it, without delay. T must be a multiple of `bands`."""

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.bands = bands
        low = prototype(bands)
        place = np.arange(TAPS) - (TAPS - 1) / 2
        band = np.arange(bands)[:, None]
        angle = (2 * band + 1) * math.pi / (2 * bands) * place
        phase = np.where(band % 2, -1.0, 1.0) * math.pi / 4
        for name, sign, scale in (("down", 1.0, 2.0), ("up", -1.0, 2.0 * bands)):
            filters = torch.from_numpy(scale * low * np.cos(angle + sign * phase)).float()[:, None]
            # conv1d correlates, conv_transpose1d convolves.
            self.register_buffer(name, filters.flip(-1) if name == "down" else filters, persistent=False)

    down: Tensor
    up: Tensor

    def analyse(self, audio_BT: Tensor) -> Tensor:
        """Splits audio [B, T] into bands [B, bands, T / bands], the lowest first."""
        with torch.autocast(audio_BT.device.type, enabled=False):
            half = TAPS // 2
            return F.conv1d(F.pad(audio_BT.float()[:, None], (half, half)), self.down, stride=self.bands)

    def synthesise(self, bands_BMT: Tensor) -> Tensor:
        """Joins bands [B, bands, T / bands] to audio [B, T]."""
        with torch.autocast(bands_BMT.device.type, enabled=False):
            samples = bands_BMT.shape[2] * self.bands
            full = F.conv_transpose1d(bands_BMT.float(), self.up, stride=self.bands)
            full = F.pad(full, (0, self.bands))
            return full[:, 0, TAPS // 2 : TAPS // 2 + samples]
