"""Counter-based uniform numbers, equal on every device and to those of `manifests.splits.seeds`."""

from __future__ import annotations

import torch
from torch import Tensor

from manifests.splits.seeds import COUNTER_MIX, COUNTER_STEP


def _signed(value: int) -> int:
    """Converts a 64-bit pattern to the int64 of that pattern."""
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def _shifted(values: Tensor, bits: int) -> Tensor:
    """Shifts int64 values right logically; torch's own shift keeps the sign."""
    return (values >> bits) & ((1 << (64 - bits)) - 1)


def uniforms(key: int | Tensor, rows: int, columns: int, device: torch.device) -> Tensor:
    """Draws the first numbers of the stream `key`, row by row: in [0, 1), float64 [rows, columns].

    A key may be an int64 tensor [] on the device, which saves a synchronisation.

    Example: `uniforms(7, 2, 3, torch.device("cpu")).shape` is (2, 3).
    """
    count = torch.arange(1, rows * columns + 1, dtype=torch.int64, device=device)
    z = count * _signed(COUNTER_STEP) + (key if isinstance(key, Tensor) else _signed(key))
    for shift, factor in zip((30, 27), COUNTER_MIX, strict=True):
        z = (z ^ _shifted(z, shift)) * _signed(factor)
    z = _shifted(z ^ _shifted(z, 31), 11)
    return (z.double() * 2.0**-53).reshape(rows, columns)
