"""Residual vector quantisation of the content with small, normalised codes (Kumar et al., NeurIPS 2023).

Shape suffixes: B clips, C channels, F frames.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.nn.convolutions import conv
from train.systems.synthcloner.config import SynthClonerConfig


class Quantised(NamedTuple):
    """The result of the quantisation.

    Attributes:
        frames: quantised frames [B, C, F]; gradients pass unchanged to the input.
        codes: indices of the codes, int64 [B, codebooks, F].
        commitment: loss that moves frames to codes.
        codebook: loss that moves codes to frames.
    """

    frames: Tensor
    codes: Tensor
    commitment: Tensor
    codebook: Tensor


class Codebook(nn.Module):
    """One stage: projects frames to a few dimensions, takes the nearest code by cosine, projects back."""

    def __init__(self, config: SynthClonerConfig) -> None:
        super().__init__()
        self.enter = conv(config.latent, config.code_dims, 1)
        self.leave = conv(config.code_dims, config.latent, 1)
        self.codes = nn.Embedding(config.codes, config.code_dims)

    def forward(self, frames: Tensor) -> Quantised:
        # Codes are chosen by distances, which half precision would distort.
        with torch.autocast(frames.device.type, enabled=False):
            projected = self.enter(frames.float())
            rows = F.normalize(projected.transpose(1, 2).flatten(0, 1))
            index = (rows @ F.normalize(self.codes.weight).T).argmax(-1)
            code_BF = index.view(projected.shape[0], projected.shape[2])
            chosen = self.codes(code_BF).transpose(1, 2)
            commitment = F.mse_loss(projected, chosen.detach())
            codebook = F.mse_loss(chosen, projected.detach())
            passed = projected + (chosen - projected).detach()
            return Quantised(self.leave(passed), code_BF[:, None], commitment, codebook)


class ResidualQuantiser(nn.Module):
    """Quantises frames in stages, each the residual of those before."""

    def __init__(self, config: SynthClonerConfig) -> None:
        super().__init__()
        self.stages = nn.ModuleList(Codebook(config) for _ in range(config.codebooks))

    def forward(self, frames: Tensor) -> Quantised:
        residual, total, parts = frames, torch.zeros_like(frames, dtype=torch.float32), []
        for stage in self.stages:
            part: Quantised = stage(residual)
            parts.append(part)
            total = total + part.frames
            residual = residual - part.frames
        return Quantised(
            total,
            torch.cat([part.codes for part in parts], dim=1),
            torch.stack([part.commitment for part in parts]).sum(),
            torch.stack([part.codebook for part in parts]).sum(),
        )
