"""A recording's level: systems hear it as loud as the dataset's clips are, -1 dBFS at its peak."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from train.systems.base import Audio

PEAK = 10.0 ** (-1.0 / 20.0)


def level_of(audio: Audio) -> np.float32:
    """What a recording at -1 dBFS is to be multiplied with to be as loud as this one."""
    return np.float32(np.max(np.abs(audio), initial=0.0) / PEAK)


def at_peak(audio: Audio) -> Tensor:
    """A recording [n] at -1 dBFS, float32 [1, n]; silence stays silence."""
    level = level_of(audio)
    sound = np.zeros_like(audio) if level == 0.0 else audio / level
    return torch.from_numpy(np.ascontiguousarray(sound, dtype=np.float32))[None]
