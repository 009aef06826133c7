"""Onsets: detected where notes begin, and matched one to one."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.sounds import RATE, harmonic
from train.metrics.onsets import detect_onsets, onset_f1


def test_onset_f1_matches_each_onset_once() -> None:
    assert onset_f1([0.0, 0.5, 1.0], [0.04, 0.46, 1.04]) == 1.0
    assert onset_f1([0.0, 0.5, 1.06], [0.0, 0.5, 1.0]) == pytest.approx(4 / 6)
    assert onset_f1([0.49, 0.51], [0.5]) == pytest.approx(2 / 3)
    assert onset_f1([], [0.5]) == 0.0
    assert onset_f1([0.1], []) is None


def test_onsets_are_found_where_notes_begin() -> None:
    silence = np.zeros(round(0.2 * RATE))
    tones = [harmonic(hertz, 0.4) for hertz in (220.0, 330.0, 247.0)]
    sound = np.concatenate([silence, *tones])
    assert detect_onsets(sound, RATE) == pytest.approx([0.2, 0.6, 1.0], abs=0.012)
    assert len(detect_onsets(np.zeros(RATE), RATE)) == 0
    assert len(detect_onsets(1e-6 * sound, RATE)) == 0, "below -100 dBFS nothing is heard"
