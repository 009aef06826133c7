"""Weight-normalised convolutions over time, [B, C, F], that keep lengths exact."""

from __future__ import annotations

from torch import nn
from torch.nn.utils.parametrizations import weight_norm


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1, dilation: int = 1) -> nn.Module:
    """A convolution that keeps the length (or divides it by the stride)."""
    padding = (kernel - stride + 1) // 2 if stride > 1 else dilation * (kernel - 1) // 2
    module: nn.Module = weight_norm(nn.Conv1d(inputs, outputs, kernel, stride, padding, dilation))
    return module


def upsample(inputs: int, outputs: int, stride: int) -> nn.Module:
    """A transposed convolution that multiplies the length by the stride."""
    module: nn.Module = weight_norm(
        nn.ConvTranspose1d(inputs, outputs, 2 * stride, stride, (stride + 1) // 2, output_padding=stride % 2)
    )
    return module
