"""The pitch tracker finds a tone's pitch at any sample rate."""

from __future__ import annotations

import pytest

from tests.support.sounds import sine
from train.metrics.tracker import track_pitch


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_a_tones_pitch_is_tracked_at_any_rate(rate: int) -> None:
    tracked = track_pitch(sine(440.0, rate=rate), rate)
    assert tracked.voiced[6:-6].all()
    assert tracked.midi[6:-6] == pytest.approx(69.0, abs=0.1)
