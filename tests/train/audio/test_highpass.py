"""The high-pass: constants and rumble go, what can be heard stays."""

from __future__ import annotations

import numpy as np
import pytest

from train.audio import highpass as module
from train.audio.highpass import highpass

RATE = 44_100


def sine(hz: float, seconds: float = 1.0) -> np.ndarray:
    return np.sin(2.0 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE).astype(np.float32)


def test_a_constant_leaves_nothing_and_rumble_little() -> None:
    assert np.abs(highpass(np.full(RATE, 0.7), 25.0, RATE)).max() < 1e-6
    middle = slice(RATE // 4, 3 * RATE // 4)
    assert np.abs(highpass(sine(8.0), 25.0, RATE)[middle]).max() < 0.02
    kept = highpass(sine(60.0), 25.0, RATE)
    assert np.abs(kept - sine(60.0))[middle].max() < 0.02


def test_a_constant_changes_nothing_in_a_sound() -> None:
    sound = sine(220.0)
    assert highpass(sound + np.float32(0.3), 25.0, RATE) == pytest.approx(
        highpass(sound, 25.0, RATE), abs=1e-5
    )


def test_parts_join_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = np.random.default_rng(1).standard_normal(RATE).astype(np.float32)
    whole = highpass(sound, 25.0, RATE)
    monkeypatch.setattr(module, "PART", 7000)
    assert highpass(sound, 25.0, RATE) == pytest.approx(whole, abs=1e-5)


def test_an_empty_sound_stays_empty() -> None:
    assert len(highpass(np.zeros(0, dtype=np.float32), 25.0, RATE)) == 0
