"""The pitch of a sound over time, by the tracker swift-f0 (a small network, its weights in its wheel).

It knows pitches from 47 to 2093 Hz; what lies outside is unvoiced or tracked an octave off, alike for
every sound. One thread a call, so that a track does not depend on how many cores there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from manifests.types import InputError
from train.audio.resampling import resample

F64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

RATE = 16_000
HOP_S = 256 / RATE
"""Seconds between frames; frame i is centred at i * HOP_S."""

SHORTEST = 2048
"""Samples at 16 kHz below which a sound is filled up with silence."""

VOICED = 0.5
"""Confidence from which a frame has a pitch: the tracker's own calibration."""


@dataclass(frozen=True, slots=True)
class Track:
    """Pitch as fractional MIDI number and whether there is one, both [frames]."""

    midi: F64
    voiced: Bools

    def times(self) -> F64:
        """Where the frames are centred, in seconds [frames]."""
        return np.arange(len(self.midi), dtype=np.float64) * HOP_S


@lru_cache(maxsize=1)
def _detector() -> Any:
    try:
        from swift_f0 import SwiftF0
    except ModuleNotFoundError:
        raise InputError("scoring pitch needs swift-f0: pip install 'triptych-audio[train]'") from None
    return SwiftF0(threads=1, spin=False)


def track(audio: npt.ArrayLike, rate: int) -> Track:
    """The pitch track of mono audio [samples]."""
    slow = resample(np.asarray(audio, dtype=np.float32), rate, RATE)
    if len(slow) < SHORTEST:
        slow = np.pad(slow, (0, SHORTEST - len(slow)))
    found = _detector().detect(slow, RATE)
    hertz = np.maximum(np.asarray(found.pitch_hz, dtype=np.float64), 1.0)
    return Track(69.0 + 12.0 * np.log2(hertz / 440.0), np.asarray(found.confidence) >= VOICED)
