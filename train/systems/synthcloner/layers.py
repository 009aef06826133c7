"""Building blocks of the convolutional codec. B clips, C channels, F frames; all [B, C, F]."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from train.nn.convolutions import conv


class Snake(nn.Module):
    """x + sin(alpha x)^2 / alpha, one alpha a channel (Ziyin et al., NeurIPS 2020)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.sin(self.alpha * x).square() / (self.alpha + 1e-9)


class ResidualUnit(nn.Module):
    """Snake, dilated convolution of 7, Snake, convolution of 1, added to the input."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            Snake(channels),
            conv(channels, channels, 7, dilation=dilation),
            Snake(channels),
            conv(channels, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = x + self.inner(x)
        return added


def residual_units(channels: int) -> list[nn.Module]:
    """The three units, of dilations 1, 3 and 9, that stand at every level."""
    return [ResidualUnit(channels, dilation) for dilation in (1, 3, 9)]


class SkipLSTM(nn.Module):
    """A stack of LSTMs over frames, added to its input."""

    def __init__(self, channels: int, layers: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(channels, channels, layers, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        told: Tensor = self.lstm(x.transpose(1, 2))[0]
        return x + told.transpose(1, 2)


class Head(nn.Module):
    """Three residual units and a linear layer: logits [B, classes, F] for every frame."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*residual_units(channels), Snake(channels), nn.Conv1d(channels, classes, 1))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.body(x)
        return logits
