"""How loud a tone of given levels will be, in closed form: decoded tones all have one level, as rendered.

R rows (notes), F frames, W noise bands.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from train.systems.triptych.networks.excitation import noise_place


def tone_power(harmonic: Tensor, half: Tensor, noise: Tensor, top_R1: Tensor, shares_W: Tensor) -> Tensor:
    """The mean square of what levels [R, F, ·] will sound like, [R, F]; `top_R1` harmonics fit."""
    total = (2.0 * noise).exp() @ shares_W
    for levels, first in ((harmonic, 1.0), (half, 0.5)):
        if levels.shape[-1]:
            number = torch.arange(levels.shape[-1], device=levels.device) + first
            # Beyond the last level that is set, all that still fit sound like it.
            more = F.pad((top_R1 - number[-1]).floor().clamp(min=0.0), (len(number) - 1, 0))
            count_RK = (number <= top_R1).float() + more
            total = total + 0.5 * torch.einsum("rfk,rk->rf", (2.0 * levels).exp(), count_RK)
    return total.clamp(min=1e-12)


def noise_shares(bands: int, rate: int) -> Tensor:
    """Of all frequencies up to Nyquist the share that each noise band stands for, [W]."""
    place = noise_place(bands, rate, torch.device("cpu")).clamp(0, bands - 1)
    low = place.floor().long().clamp(max=bands - 2)
    shares = torch.zeros(bands).index_add(0, low, 1.0 - (place - low)).index_add(0, low + 1, place - low)
    return shares / shares.sum()
