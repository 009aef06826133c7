"""Weight-normalised convolutions over time that keep lengths exact. Shapes are [B, C, F]."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1, dilation: int = 1) -> nn.Module:
    """Builds a convolution that keeps the length, or divides it by the stride.

    Example: `conv(80, 256, 7)(x_BCF)` has as many frames as `x_BCF`.
    """
    padding = (kernel - stride + 1) // 2 if stride > 1 else dilation * (kernel - 1) // 2
    module: nn.Module = weight_norm(nn.Conv1d(inputs, outputs, kernel, stride, padding, dilation))
    return module


def upsample(inputs: int, outputs: int, stride: int) -> nn.Module:
    """Builds a transposed convolution that multiplies the length by the stride.

    Example: `upsample(256, 128, 2)(x_BCF)` has twice the frames.
    """
    module: nn.Module = weight_norm(
        nn.ConvTranspose1d(inputs, outputs, 2 * stride, stride, (stride + 1) // 2, output_padding=stride % 2)
    )
    return module


class ResidualUnit(nn.Module):
    """A residual unit: activation, dilated convolution, activation, convolution of kernel 1; input added.

    `activation(channels)` builds each of the two activations.
    """

    def __init__(
        self, activation: Callable[[int], nn.Module], channels: int, kernel: int, dilation: int
    ) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            activation(channels),
            conv(channels, channels, kernel, dilation=dilation),
            activation(channels),
            conv(channels, channels, 1),
        )

    def forward(self, x_BCF: Tensor) -> Tensor:
        added: Tensor = x_BCF + self.inner(x_BCF)
        return added
