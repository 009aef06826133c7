"""Nonharmonic power: the power at no harmonic of a clip's notes."""

from __future__ import annotations

import numpy as np
import torch

from manifests.types import Note
from tests.support.training.tiny_codec import RATE
from train.nn.gain import note_batch
from train.systems.triptych.hearing.nonharmonic import nonharmonic_power_ratio
from train.systems.triptych.networks.features import extract_features


def test_a_second_voice_raises_the_nonharmonic_power() -> None:
    time = np.arange(RATE) / RATE
    notes = note_batch([(Note(0.0, 0.5, 60, 100), Note(0.5, 0.5, 64, 100))], RATE, RATE)

    def tone(pitch: float) -> np.ndarray:
        f0 = 440.0 * 2.0 ** ((pitch - 69) / 12.0)
        return np.asarray(sum(np.sin(2 * np.pi * k * f0 * time) / k for k in range(1, 9)), dtype=np.float32)

    line = np.where(time < 0.5, tone(60), tone(64)).astype(np.float32)
    for other, low, high in ((0.0, 0.0, 0.01), (1.0, 0.25, 0.55)):
        spectra = extract_features(torch.from_numpy(line + other * tone(66.5))[None], RATE)
        assert low <= nonharmonic_power_ratio(spectra.long_BGC, notes, RATE) <= high
    short = note_batch([(Note(0.0, 0.05, 60, 100),)], RATE, RATE)
    assert nonharmonic_power_ratio(spectra.long_BGC, short, RATE) == 0.0
