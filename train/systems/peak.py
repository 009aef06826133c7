"""Normalises recordings to the peak that the dataset's clips have, -1 dBFS."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from train.systems.base import Audio

PEAK = 10.0 ** (-1.0 / 20.0)
"""Peak amplitude of -1 dBFS."""


def peak_ratio(audio: Audio) -> np.float32:
    """Computes the factor by which a recording's peak exceeds -1 dBFS; 0.0 for silence."""
    return np.float32(np.max(np.abs(audio), initial=0.0) / PEAK)


def normalise_peak(audio: Audio) -> Tensor:
    """Scales a recording [n] to a peak of -1 dBFS: float32 [1, n]. Silence stays silence."""
    level = peak_ratio(audio)
    sound = np.zeros_like(audio) if level == 0.0 else audio / level
    return torch.from_numpy(np.ascontiguousarray(sound, dtype=np.float32))[None]
