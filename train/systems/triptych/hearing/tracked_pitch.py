"""Evidence of a pretrained pitch tracker, for pitch classes that the encoder is unsure of.

The tracker (`train.metrics.tracker`, swift-f0) knows sounds that the codec was never trained on. It covers 47
to 2093 Hz. `docs/hearing.md` has the scores with and without it.

Shape suffixes: G frames of 1024 samples, P candidate pitches.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from train.metrics.tracker import HOP_S, track_pitch
from train.systems.base import Audio
from train.systems.triptych.networks.features import LONG_HOP, LOWEST_PITCH, PITCHES

F32 = npt.NDArray[np.float32]

WEIGHT = 0.3
"""Probability that the tracker is right where it and the encoder disagree on a pitch class."""

SPREAD = 0.35
"""Standard deviation of a tracked pitch, in semitones."""

LEAST = 1e-3
"""Density of other pitch classes, relative to that of the tracked one."""

PART_S = 30.0
"""Seconds that are tracked at once, so that memory does not grow with a recording's length."""


def mix_tracked_pitch(pitch_GP: F32, audio: Audio, rate: int) -> F32:
    """Mixes the tracker's pitches into the encoder's log probabilities, in voiced frames: float32 [G, P].

    Args:
        pitch_GP: log probabilities of pitches.
        audio: the recording, float32 [n].
        rate: sample rate in Hz.
    """
    part = max(round(PART_S * rate) // LONG_HOP, 1)
    mixed = pitch_GP.copy()
    pitch_P = np.arange(LOWEST_PITCH, LOWEST_PITCH + PITCHES)
    for first in range(0, len(pitch_GP), part):
        frames = pitch_GP[first : first + part]
        track = track_pitch(audio[first * LONG_HOP : (first + part) * LONG_HOP], rate)
        time_G = np.arange(len(frames)) * LONG_HOP / rate
        near_G = np.minimum(np.round(time_G / HOP_S).astype(np.int64), len(track.midi) - 1)
        # Below its range it tracks octaves too high, so it tells the pitch class only.
        distance_GP = (pitch_P - track.midi[near_G, None] + 6.0) % 12.0 - 6.0
        tracked_GP = np.exp(-0.5 * (distance_GP / SPREAD) ** 2) + LEAST
        tracked_GP /= tracked_GP.sum(1, keepdims=True)
        both_GP = np.log((1.0 - WEIGHT) * np.exp(frames) + WEIGHT * tracked_GP)
        mixed[first : first + part] = np.where(track.voiced[near_G, None], both_GP, frames)
    return mixed
