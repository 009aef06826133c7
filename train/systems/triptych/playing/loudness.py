"""Measures how loud a sound is at its loudest, so that conversions are as loud as their reference."""

from __future__ import annotations

import numpy as np

from train.systems.base import Audio

BLOCK, BLOCKS = 64, 4
"""The loudest stretch is sought in steps of `BLOCK` samples. It has `BLOCKS` of them, 6 ms at 44.1 kHz."""


def loudest_rms(sound: Audio) -> float:
    """Computes the RMS of the loudest 6 ms of a sound, float32 [n]; 0.0 if it is shorter.

    A peak would be more exact where waveforms are equal, but one click decides it. Over longer stretches,
    notes that are cut short would decide.

    >>> loudest_rms(np.repeat(np.float32([0.0, 0.5, 0.0]), 1000))
    0.5
    """
    power = np.square(sound[: len(sound) // BLOCK * BLOCK].reshape(-1, BLOCK), dtype=np.float64).mean(1)
    if len(power) < BLOCKS:
        return 0.0
    return float(np.sqrt(np.lib.stride_tricks.sliding_window_view(power, BLOCKS).mean(1).max()))
