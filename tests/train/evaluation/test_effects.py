"""Effects on sources: length and level stay, the sound changes."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.sounds import RATE, harmonic, sine
from train.evaluation.effects import EFFECTS
from train.metrics import score, spectral_features


@pytest.mark.parametrize("effect", EFFECTS)
def test_an_effect_keeps_length_and_level_and_changes_the_sound(effect: str) -> None:
    sound = harmonic(220.0).astype(np.float32)
    made = EFFECTS[effect](sound, RATE)
    assert len(made) == len(sound)
    assert np.sqrt(np.mean(made**2)) == pytest.approx(np.sqrt(np.mean(sound**2)), rel=1e-3)
    assert score(spectral_features(made), spectral_features(sound))["mstft_floored"] > 0.1
    np.testing.assert_array_equal(made, EFFECTS[effect](sound, RATE))
    assert not EFFECTS[effect](np.zeros(RATE, dtype=np.float32), RATE).any()


def test_vibrato_has_its_stated_depth() -> None:
    made = EFFECTS["vibrato"](sine(440.0).astype(np.float32), RATE).astype(float)
    spectrum = np.fft.fft(made)
    spectrum[len(made) // 2 :] = 0
    hertz = np.diff(np.unwrap(np.angle(np.fft.ifft(spectrum)))) * RATE / (2 * np.pi)
    semitones = 12 * np.log2(hertz[4000:-4000] / 440.0)
    assert (semitones.max() - semitones.min()) / 2 == pytest.approx(0.30, abs=0.04)
