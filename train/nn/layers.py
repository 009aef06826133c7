"""Layers that several systems share. Shapes are [B, F, C]: clips, frames, channels; D a condition's width."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ConvNeXt(nn.Module):
    """A ConvNeXt block over time (Liu et al., CVPR 2022): depthwise convolution and inverted bottleneck.

    With `condition` > 0, scale and shift of the layer norm come from a vector [B, condition]. Norms see one
    frame at a time, so nothing depends on a clip's length or place in the batch.
    """

    def __init__(self, width: int, kernel: int = 7, expand: int = 3, condition: int = 0) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm = nn.LayerNorm(width, elementwise_affine=condition == 0)
        self.affine = nn.Linear(condition, 2 * width) if condition else None
        self.up = nn.Linear(width, expand * width)
        self.down = nn.Linear(expand * width, width)
        self.scale = nn.Parameter(torch.full((width,), 0.3))
        if self.affine is not None:
            nn.init.zeros_(self.affine.bias)
            nn.init.normal_(self.affine.weight, std=0.02)

    def forward(self, x_BFC: Tensor, condition_BD: Tensor | None = None) -> Tensor:
        h = self.norm(self.depthwise(x_BFC.transpose(1, 2)).transpose(1, 2))
        if self.affine is not None:
            assert condition_BD is not None
            scale, shift = self.affine(condition_BD)[:, None].chunk(2, dim=-1)
            h = h * (1.0 + scale) + shift
        more: Tensor = self.scale * self.down(nn.functional.gelu(self.up(h)))
        return x_BFC + more


def mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Builds two linear layers with a GELU between."""
    return nn.Sequential(nn.Linear(inputs, hidden), nn.GELU(), nn.Linear(hidden, outputs))
