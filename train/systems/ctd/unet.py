"""The denoising network: a UNet over latent frames.

Shape suffixes: B clips, C channels, F frames, D latent channels, S numbers of a condition, E numbers of the
embedding.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.systems.ctd.config import CTDConfig
from train.systems.ctd.layers import FrameNorm


class ResidualLevel(nn.Module):
    """Two convolutions, conditioned on structure and embedding, with a residual connection.

    Structure is concatenated to the input. The embedding scales and shifts the second norm. Self-attention
    over all frames follows where `attention` asks for it.
    """

    def __init__(self, inputs: int, outputs: int, config: CTDConfig, attention: bool) -> None:
        super().__init__()
        self.skip = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        inputs += config.condition
        self.first = nn.Sequential(FrameNorm(inputs), nn.SiLU(), nn.Conv1d(inputs, outputs, 3, padding=1))
        self.norm = FrameNorm(outputs)
        self.affine = nn.Linear(config.unet_embedding, 2 * outputs)
        self.second = nn.Conv1d(outputs, outputs, 3, padding=1)
        self.attention = Attention(outputs, config.unet_heads) if attention else None
        nn.init.zeros_(self.second.weight)
        assert self.second.bias is not None
        nn.init.zeros_(self.second.bias)

    def forward(self, x_BCF: Tensor, structure_BSF: Tensor, embedding_BE: Tensor) -> Tensor:
        pooled = F.adaptive_avg_pool1d(structure_BSF, x_BCF.shape[-1])
        scale, shift = self.affine(embedding_BE)[..., None].chunk(2, dim=1)
        h = self.first(torch.cat([x_BCF, pooled], dim=1))
        h = F.silu(self.norm(h) * (1.0 + scale) + shift)
        x: Tensor = self.skip(x_BCF) + self.second(h)
        return x if self.attention is None else self.attention(x)


class Attention(nn.Module):
    """Self-attention over frames, added to its input. Positions are left to the convolutions."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = FrameNorm(channels)
        self.enter = nn.Conv1d(channels, 3 * channels, 1)
        self.leave = nn.Conv1d(channels, channels, 1)

    def forward(self, x_BCF: Tensor) -> Tensor:
        batch, channels, frames = x_BCF.shape
        q, k, v = (
            part.view(batch, self.heads, channels // self.heads, frames).transpose(2, 3)
            for part in self.enter(self.norm(x_BCF)).chunk(3, dim=1)
        )
        attended = F.scaled_dot_product_attention(q, k, v)
        out: Tensor = x_BCF + self.leave(attended.transpose(2, 3).reshape(batch, channels, frames))
        return out


class UNet(nn.Module):
    """Maps noisy latents [B, latent, F] to the network output of the same shape.

    F must be a multiple of the product of the ratios. `noise_B` is the noise label of EDM, ln(sigma) / 4.
    """

    def __init__(self, config: CTDConfig) -> None:
        super().__init__()
        widths, size = config.unet_channels, config.unet_embedding
        self.ratios = config.unet_ratios
        deep = len(widths) - 2
        self.noise = nn.Sequential(nn.Linear(size, size), nn.SiLU())
        self.timbre = nn.Linear(config.condition, size)
        self.embed = nn.Sequential(nn.Linear(size, size), nn.SiLU())
        self.enter = nn.Conv1d(config.latent, widths[0], 3, padding=1)
        inputs = [widths[0], *widths[:-1]]
        self.down = nn.ModuleList(
            ResidualLevel(before, width, config, level >= deep)
            for level, (before, width) in enumerate(zip(inputs, widths, strict=True))
        )
        self.middle = ResidualLevel(widths[-1], widths[-1], config, False)
        self.up = nn.ModuleList(
            ResidualLevel(after + width, width, config, level >= deep)
            for level, (after, width) in enumerate(zip([*widths[1:], widths[-1]], widths, strict=True))
        )
        self.leave = nn.Sequential(
            FrameNorm(widths[0]), nn.SiLU(), nn.Conv1d(widths[0], config.latent, 3, padding=1)
        )
        self.register_buffer("pitch", torch.exp(torch.linspace(0.0, math.log(200.0), size // 2)), False)

    pitch: Tensor

    def forward(self, x_BDF: Tensor, noise_B: Tensor, timbre_BS: Tensor, structure_BSF: Tensor) -> Tensor:
        angle = noise_B.float()[:, None] * self.pitch
        sinusoids = torch.cat([angle.sin(), angle.cos()], dim=1)
        embedding = self.embed(self.noise(sinusoids) + self.timbre(timbre_BS))
        x = self.enter(x_BDF)
        skips = []
        for ratio, level in zip(self.ratios, self.down, strict=True):
            x = level(F.avg_pool1d(x, ratio), structure_BSF, embedding)
            skips.append(x)
        x = self.middle(x, structure_BSF, embedding)
        for ratio, level, skip in zip(reversed(self.ratios), reversed(self.up), reversed(skips), strict=True):
            x = level(torch.cat([x, skip], dim=1), structure_BSF, embedding)
            x = x.repeat_interleave(ratio, dim=-1)
        out: Tensor = self.leave(x)
        return out
