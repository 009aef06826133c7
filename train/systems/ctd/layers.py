"""Building blocks of the autoencoder and the UNet. Tensors are [B, C, F]: B clips, C channels, F frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from train.nn.convolutions import ResidualUnit

DILATIONS = (1, 3, 9)
"""Dilations of the three residual blocks at every level."""


class SnakeBeta(nn.Module):
    """Activation x + sin(alpha x)^2 / beta, with alpha and beta for each channel learned as logarithms.

    Lee, Ping, Ginsburg, Catanzaro and Yoon, "BigVGAN", ICLR 2023.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(channels, 1))
        self.beta = nn.Parameter(torch.zeros(channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.sin(self.alpha.exp() * x).square() / (self.beta.exp() + 1e-9)


def residual_blocks(channels: int) -> list[nn.Module]:
    """Makes the residual units of one level, with convolutions of kernel 5."""
    return [ResidualUnit(SnakeBeta, channels, 5, dilation) for dilation in DILATIONS]


class FrameNorm(nn.Module):
    """Layer norm over the channels of each frame, so that nothing depends on a clip's length."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        normed: Tensor = self.norm(x.transpose(1, 2))
        return normed.transpose(1, 2)
