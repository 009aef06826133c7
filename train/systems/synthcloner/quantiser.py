"""Content: a residual vector quantiser with small, normalised codes (after Kumar et al., NeurIPS 2023)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.nn.convolutions import conv
from train.systems.synthcloner.config import SynthClonerConfig


class Quantised(NamedTuple):
    """What came of it: frames [B, C, F], codes [B, codebooks, F], and the two losses."""

    frames: Tensor
    codes: Tensor
    commitment: Tensor
    codebook: Tensor


class Codebook(nn.Module):
    """One stage: projected to a few dimensions, looked up by cosine, projected back."""

    def __init__(self, config: SynthClonerConfig) -> None:
        super().__init__()
        self.enter = conv(config.latent, config.code_dims, 1)
        self.leave = conv(config.code_dims, config.latent, 1)
        self.codes = nn.Embedding(config.codes, config.code_dims)

    def forward(self, frames: Tensor) -> Quantised:
        # Distances decide which code it is: never in half precision.
        with torch.autocast(frames.device.type, enabled=False):
            projected = self.enter(frames.float())
            rows = F.normalize(projected.transpose(1, 2).flatten(0, 1))
            index = (rows @ F.normalize(self.codes.weight).T).argmax(-1)
            code_BF = index.view(projected.shape[0], projected.shape[2])
            found = self.codes(code_BF).transpose(1, 2)
            commitment = F.mse_loss(projected, found.detach())
            codebook = F.mse_loss(found, projected.detach())
            passed = projected + (found - projected).detach()
            return Quantised(self.leave(passed), code_BF[:, None], commitment, codebook)


class ResidualQuantiser(nn.Module):
    """Each stage quantises what the ones before have left."""

    def __init__(self, config: SynthClonerConfig) -> None:
        super().__init__()
        self.stages = nn.ModuleList(Codebook(config) for _ in range(config.codebooks))

    def forward(self, frames: Tensor) -> Quantised:
        rest, total, parts = frames, torch.zeros_like(frames, dtype=torch.float32), []
        for stage in self.stages:
            part: Quantised = stage(rest)
            parts.append(part)
            total = total + part.frames
            rest = rest - part.frames
        return Quantised(
            total,
            torch.cat([part.codes for part in parts], dim=1),
            torch.stack([part.commitment for part in parts]).sum(),
            torch.stack([part.codebook for part in parts]).sum(),
        )
