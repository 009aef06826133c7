"""Computes the power of a tone from its levels, in closed form, so that all decoded tones have one level.

Shape suffixes: R rows (notes), F frames, W noise bands.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from train.systems.triptych.networks.excitation import noise_positions

TONE_RMS = 0.1
"""RMS of every tone that the renderer makes."""


def tone_power(
    harmonic: Tensor, subharmonic: Tensor, noise: Tensor, top_R1: Tensor, shares_W: Tensor
) -> Tensor:
    """Computes the mean square of a tone, [R, F].

    Args:
        harmonic: log levels of the harmonics [R, F, K].
        subharmonic: log levels of the odd multiples of f0/2 [R, F, H].
        noise: log levels of the noise bands [R, F, W].
        top_R1: half the sample rate over f0: how many harmonics exist.
        shares_W: see `noise_shares`.
    """
    total = (2.0 * noise).exp() @ shares_W
    for levels, first in ((harmonic, 1.0), (subharmonic, 0.5)):
        if levels.shape[-1]:
            number = torch.arange(levels.shape[-1], device=levels.device) + first
            # Partials beyond the last one with a level of its own have that level too.
            beyond = F.pad((top_R1 - number[-1]).floor().clamp(min=0.0), (len(number) - 1, 0))
            count_RK = (number <= top_R1).float() + beyond
            total = total + 0.5 * torch.einsum("rfk,rk->rf", (2.0 * levels).exp(), count_RK)
    return total.clamp(min=1e-12)


def noise_shares(bands: int, rate: int) -> Tensor:
    """Computes the share of the spectrum up to half the sample rate that each noise band covers, [W]."""
    position = noise_positions(bands, rate, torch.device("cpu")).clamp(0, bands - 1)
    low = position.floor().long().clamp(max=bands - 2)
    shares = (
        torch.zeros(bands).index_add(0, low, 1.0 - (position - low)).index_add(0, low + 1, position - low)
    )
    return shares / shares.sum()
