"""The onset check: a tone in its envelope, in time and late by the latency of a plugin."""

from __future__ import annotations

import numpy as np
import pytest

from manifests.audit.checks.onsets import onset_error_ms
from manifests.synthesis.envelope import gain_curve
from manifests.types import Envelope, Note

RATE = 44_100
NOTES = (Note(0.3, 0.6, 57, 100), Note(1.2, 0.4, 64, 100))


@pytest.mark.parametrize("attack_ms", [0.0, 5.0, 120.0])
@pytest.mark.parametrize("late", [0, 512, 4096])
def test_a_late_tone_is_measured(attack_ms: float, late: int) -> None:
    envelope = Envelope(attack_ms, 100, 0.5, 80)
    time_ms = (np.arange(2 * RATE) - 0.3 * RATE - late) * 1000.0 / RATE
    tone = np.sin(2 * np.pi * 220.0 * time_ms / 1000.0) * gain_curve(envelope, 600.0, time_ms)
    error = onset_error_ms(tone.astype(np.float32), RATE, NOTES, envelope)
    assert error == pytest.approx(late * 1000.0 / RATE, abs=4.0)


def test_silence_has_no_onset() -> None:
    assert onset_error_ms(np.zeros(RATE, dtype=np.float32), RATE, NOTES, Envelope(5, 100, 0.5, 80)) is None
