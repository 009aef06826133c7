"""Computes the diffusion's conditions: a timbre vector and structure frames, and the adversary between them.

Shape suffixes: B clips, F latent frames, D latent channels, C bins of the CQT, S numbers of a condition.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn

from train.systems.ctd.config import CTDConfig
from train.systems.ctd.cqt import BINS
from train.systems.ctd.layers import FrameNorm

NO_CONDITION = -2.0
"""Replaces a condition that is dropped. No encoder outputs it: conditions lie within -1..1."""


def _layers(inputs: int, channels: Sequence[int], outputs: int, strides: Sequence[int]) -> nn.Sequential:
    """Stacks convolutions of these strides, with a norm and SiLU before each but the first."""
    widths = [inputs, *channels, outputs]
    layers: list[nn.Module] = []
    for before, width, stride in zip(widths[:-1], widths[1:], strides, strict=True):
        if layers:
            layers += [FrameNorm(before), nn.SiLU()]
        layers.append(nn.Conv1d(before, width, 3 if stride == 1 else 2 * stride, stride, (stride + 1) // 2))
    return nn.Sequential(*layers)


class TimbreEncoder(nn.Module):
    """Encodes latents [B, latent, F] of any length as timbre vectors [B, condition] within -1..1."""

    def __init__(self, config: CTDConfig) -> None:
        super().__init__()
        self.min_frames = prod(config.timbre_strides)
        self.layers = _layers(config.latent, config.timbre_channels, config.condition, config.timbre_strides)

    def forward(self, latents_BDF: Tensor) -> Tensor:
        if latents_BDF.shape[2] < self.min_frames:
            times = -(-self.min_frames // latents_BDF.shape[2])
            latents_BDF = latents_BDF.repeat(1, 1, times)
        return torch.tanh(self.layers(latents_BDF).mean(-1))


class StructureEncoder(nn.Module):
    """Encodes CQT power [B, BINS, F] as structure [B, condition, F] within -1..1."""

    def __init__(self, config: CTDConfig) -> None:
        super().__init__()
        channels = config.structure_channels
        self.layers = _layers(BINS, channels, config.condition, (1,) * (len(channels) + 1))

    def forward(self, power_BCF: Tensor) -> Tensor:
        return torch.tanh(self.layers(power_BCF.log1p()))


class Adversary(nn.Module):
    """Predicts timbre vectors [B, condition] from structure [B, condition, F], which should hide them."""

    def __init__(self, config: CTDConfig) -> None:
        super().__init__()
        width = config.adversary_channels
        self.layers = _layers(config.condition, (width, width, width), config.condition, (1,) * 4)

    def forward(self, structure_BSF: Tensor) -> Tensor:
        vector: Tensor = self.layers(structure_BSF).mean(-1)
        return vector
