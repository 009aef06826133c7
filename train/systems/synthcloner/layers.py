"""Building blocks of the convolutional codec. Tensors are [B, C, F]: B clips, C channels, F frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from train.nn.convolutions import ResidualUnit


class Snake(nn.Module):
    """Activation x + sin(alpha x)^2 / alpha, with a learned alpha for each channel.

    Ziyin, Hartwig and Ueda, NeurIPS 2020.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.sin(self.alpha * x).square() / (self.alpha + 1e-9)


def residual_units(channels: int) -> list[nn.Module]:
    """Makes the units of dilations 1, 3 and 9 of one level, with convolutions of kernel 7."""
    return [ResidualUnit(Snake, channels, 7, dilation) for dilation in (1, 3, 9)]


class SkipLSTM(nn.Module):
    """A stack of LSTMs over frames, added to its input."""

    def __init__(self, channels: int, layers: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(channels, channels, layers, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.lstm(x.transpose(1, 2))[0]
        return x + output.transpose(1, 2)


class Head(nn.Module):
    """Predicts logits [B, classes, F] for every frame, by three residual units and a linear layer."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*residual_units(channels), Snake(channels), nn.Conv1d(channels, classes, 1))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.body(x)
        return logits
