"""Evidence of the pitch tracker: it decides where the encoder does not, and only there."""

from __future__ import annotations

import numpy as np

from train.systems.triptych.hearing.tracked_pitch import mix_tracked_pitch
from train.systems.triptych.networks.features import LONG_HOP, LOWEST_PITCH, PITCHES

RATE = 44_100


def test_an_unsure_encoder_takes_the_trackers_pitch_and_a_sure_one_keeps_its_own() -> None:
    time_s = np.arange(RATE) / RATE
    sound = sum(np.sin(2.0 * np.pi * 220.0 * k * time_s) / k for k in range(1, 6)).astype(np.float32)
    frames = RATE // LONG_HOP + 1
    unsure = np.full((frames, PITCHES), -np.log(PITCHES), dtype=np.float32)
    mixed = mix_tracked_pitch(unsure, sound, RATE)
    assert ((mixed[5:-5].argmax(1) + LOWEST_PITCH) % 12 == 57 % 12).all()
    sure = np.full((frames, PITCHES), -12.0, dtype=np.float32)
    sure[:, 40] = -0.01
    assert (mix_tracked_pitch(sure, sound, RATE).argmax(1) == 40).all()
    silent = mix_tracked_pitch(unsure, np.zeros(RATE, dtype=np.float32), RATE)
    assert np.array_equal(silent, unsure)
