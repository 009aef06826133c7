"""Encoders and decoder over log magnitudes. B clips, C channels, F frames, L = F / 4 content frames."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.systems.ssvqvae.spectra import BINS

SLOPE = 0.01


def _halving(inputs: int, outputs: int) -> nn.Module:
    return nn.Conv1d(inputs, outputs, 4, stride=2, padding=1)


class Residual(nn.Module):
    """A convolution of 1 after a leaky ReLU, added to its input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, 1)

    def forward(self, x_BCF: Tensor) -> Tensor:
        added: Tensor = x_BCF + self.conv(F.leaky_relu(x_BCF, SLOPE))
        return added


class ResidualGRU(nn.Module):
    """A GRU over frames, added to its input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gru = nn.GRU(channels, channels, batch_first=True)

    def forward(self, x_BCF: Tensor) -> Tensor:
        told: Tensor = self.gru(x_BCF.transpose(1, 2))[0]
        return x_BCF + told.transpose(1, 2)


def opening_relu(x: Tensor) -> Tensor:
    """A ReLU whose gradient passes where it is shut, too.

    What is shut gets no gradient from a plain one and stays shut: on a dozen clips 59% of the magnitudes
    ended at 0 and held 80% of the error. Only a squared distance to magnitudes follows, which asks none of
    those that are shut to go further down.
    """
    return x + (F.relu(x) - x).detach()


class ContentEncoder(nn.Sequential):
    """[B, BINS, F], F a multiple of 4 -> [B, width, F / 4], of unit variance: what is quantised."""

    def __init__(self, width: int) -> None:
        super().__init__(
            _halving(BINS, width),
            nn.BatchNorm1d(width),
            nn.LeakyReLU(SLOPE),
            _halving(width, width),
            Residual(width),
            nn.BatchNorm1d(width),
        )


class StyleEncoder(nn.Module):
    """[B, BINS, F] of any length -> [B, width]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            _halving(BINS, width), nn.BatchNorm1d(width), nn.LeakyReLU(SLOPE), Residual(width)
        )
        self.gru = nn.GRU(width, width, batch_first=True)

    def forward(self, log_BCF: Tensor) -> Tensor:
        state: Tensor = self.gru(self.layers(log_BCF).transpose(1, 2))[1]
        return state[-1]


class Stage(nn.Module):
    """Doubles the frame rate: the style beside every frame, a convolution of 1, a GRU, a transposed one."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(2 * width, width, 1),
            nn.BatchNorm1d(width),
            nn.LeakyReLU(SLOPE),
            ResidualGRU(width),
            nn.ConvTranspose1d(width, width, 4, stride=2, padding=1),
            nn.BatchNorm1d(width),
            nn.LeakyReLU(SLOPE),
        )

    def forward(self, frames_BCF: Tensor, style_BC: Tensor) -> Tensor:
        beside = style_BC[..., None].expand(-1, -1, frames_BCF.shape[-1])
        out: Tensor = self.layers(torch.cat([frames_BCF, beside], dim=1))
        return out


class Decoder(nn.Module):
    """Codes [B, width, L] and a style [B, width] -> log magnitudes [B, BINS, 4 L]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList(Stage(width) for _ in range(2))
        self.leave = nn.Sequential(nn.Conv1d(width, BINS, 1), ResidualGRU(BINS))

    def forward(self, codes_BCL: Tensor, style_BC: Tensor) -> Tensor:
        x = codes_BCL
        for stage in self.stages:
            x = stage(x, style_BC)
        out: Tensor = opening_relu(self.leave(x))
        return out
