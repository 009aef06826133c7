"""Levels: the steadiest window of a tone, its deviation, and rumble."""

from __future__ import annotations

import numpy as np
import pytest

from presets.analysis.levels import flattest_window, without_rumble
from tests.support.presets.harmonic_tones import RATE, TIME, harmonic, hertz


def test_the_steadiest_window_avoids_a_swell() -> None:
    tone = np.concatenate(
        [harmonic(hertz(60), [1.0]) * np.linspace(0.2, 1.0, RATE), harmonic(hertz(60), [1.0])]
    )
    start, deviation = flattest_window(tone.astype(np.float32), RATE, int(0.9 * RATE))
    assert start >= 0.99 * RATE
    assert deviation < 0.1


def test_the_deviation_is_the_levels_standard_deviation() -> None:
    # A level that swings by 3 dB about its mean has a standard deviation of 3 / sqrt(2) dB.
    swing = 10.0 ** (3.0 * np.sin(2 * np.pi * 2 * TIME) / 20.0)
    tone = (harmonic(hertz(84), [1.0]) * swing).astype(np.float32)
    _, deviation = flattest_window(tone, RATE, RATE)
    assert deviation == pytest.approx(3.0 / np.sqrt(2.0), rel=0.05)


def test_rumble_is_removed_and_the_note_kept() -> None:
    note = harmonic(hertz(36), [1.0])
    drift = 0.5 + 0.3 * np.sin(2 * np.pi * 0.7 * TIME)
    kept = without_rumble((note + drift).astype(np.float32), RATE)
    assert np.abs(kept - note)[RATE // 10 : -RATE // 10].max() < 0.03
