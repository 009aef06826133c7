"""Tracks pitch over time by swift-f0, a small network whose weights are in its wheel.

It covers 47 to 2093 Hz. Pitches beyond are unvoiced, or tracked an octave off, for all sounds alike. Each
call uses one thread, so that a track does not depend on the number of cores.
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
"""Seconds between frames. Frame i is centred at i * HOP_S."""

SHORTEST = 2048
"""Least samples at 16 kHz. Shorter sounds are filled up with silence."""

VOICED = 0.5
"""Least confidence of a voiced frame: the tracker's own calibration."""


@dataclass(frozen=True, slots=True)
class PitchTrack:
    """Pitch as fractional MIDI number, float64 [frames], and whether there is one, bool [frames]."""

    midi: F64
    voiced: Bools

    def times(self) -> F64:
        """Returns the centres of the frames: seconds, float64 [frames]."""
        return np.arange(len(self.midi), dtype=np.float64) * HOP_S


@lru_cache(maxsize=1)
def _detector() -> Any:
    try:
        from swift_f0 import SwiftF0
    except ModuleNotFoundError:
        raise InputError("scoring pitch needs swift-f0: pip install 'triptych-audio[train]'") from None
    return SwiftF0(threads=1, spin=False)


def track_pitch(audio: npt.ArrayLike, rate: int) -> PitchTrack:
    """Tracks the pitch of mono audio [samples] at `rate` Hz.

    Raises InputError if swift-f0 is not installed.

    Example: `track_pitch(audio, 44_100).midi[0]` is 69.0 for a sine of 440 Hz.
    """
    slow = resample(np.asarray(audio, dtype=np.float32), rate, RATE)
    if len(slow) < SHORTEST:
        slow = np.pad(slow, (0, SHORTEST - len(slow)))
    detected = _detector().detect(slow, RATE)
    hertz = np.maximum(np.asarray(detected.pitch_hz, dtype=np.float64), 1.0)
    return PitchTrack(69.0 + 12.0 * np.log2(hertz / 440.0), np.asarray(detected.confidence) >= VOICED)
