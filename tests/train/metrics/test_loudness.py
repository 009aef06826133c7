"""Loudness is that of ITU-R BS.1770."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.sounds import RATE, sine
from train.metrics.loudness import QUIETEST, loudness


def test_loudness_equals_itu_r_bs_1770() -> None:
    # BS.1770: a 0 dBFS sine at 997 Hz in one channel is -3.01 LUFS
    assert loudness(sine(997.0, 2.0, level=1.0), RATE) == pytest.approx(-3.01, abs=0.02)
    assert loudness(sine(997.0, 2.0, level=0.1, rate=48_000), 48_000) == pytest.approx(-23.01, abs=0.02)
    # silence is gated out
    gated = np.concatenate([sine(997.0, 2.0, level=0.1), np.zeros(2 * RATE)])
    assert loudness(gated, RATE) == pytest.approx(-23.01, abs=0.4)
    assert loudness(np.zeros(RATE), RATE) == QUIETEST
    assert np.isfinite(loudness(np.ones(1), RATE))
