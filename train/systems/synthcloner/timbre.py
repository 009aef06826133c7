"""The timbre path: a transformer over a clip's frames, averaged to one vector.

Shape suffixes: B clips, C channels, F frames.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.systems.synthcloner.config import SynthClonerConfig


def positions(frames: int, channels: int, device: torch.device) -> Tensor:
    """Computes the sinusoidal position encoding, [F, C] (Vaswani et al., NeurIPS 2017)."""
    rate = torch.exp(torch.arange(0, channels, 2, device=device) * (-math.log(10_000.0) / channels))
    angle = torch.arange(frames, device=device)[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)


class TransformerLayer(nn.Module):
    """A pre-norm transformer layer with a convolutional feed-forward network."""

    def __init__(self, config: SynthClonerConfig) -> None:
        super().__init__()
        width = config.latent
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.attention = nn.MultiheadAttention(
            width, config.timbre_heads, dropout=config.dropout, batch_first=True
        )
        self.up = nn.Conv1d(width, config.timbre_hidden, 5, padding=2)
        self.down = nn.Conv1d(config.timbre_hidden, width, 1)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x_BFC: Tensor) -> Tensor:
        h = self.norms[0](x_BFC)
        x_BFC = x_BFC + self.dropout(self.attention(h, h, h, need_weights=False)[0])
        h = F.gelu(self.up(self.norms[1](x_BFC).transpose(1, 2)))
        out: Tensor = x_BFC + self.dropout(self.down(self.dropout(h)).transpose(1, 2))
        return out


class TimbreEncoder(nn.Module):
    """Encodes frames [B, C, F] as a timbre vector [B, C]."""

    def __init__(self, config: SynthClonerConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TransformerLayer(config) for _ in range(config.timbre_layers))
        self.norm = nn.LayerNorm(config.latent)

    def forward(self, frames_BCF: Tensor) -> Tensor:
        x = frames_BCF.transpose(1, 2)
        x = x + positions(x.shape[1], x.shape[2], x.device)
        for layer in self.layers:
            x = layer(x)
        vector: Tensor = self.norm(x).mean(1)
        return vector
