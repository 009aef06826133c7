"""Envelope errors in closed form, of known and of measured envelopes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from manifests.synthesis.compose import gain
from manifests.types import Envelope, Note
from tests.support.sounds import RATE, harmonic
from train.metrics.envelope import gain_db, gain_error_db, measure_envelope, parameter_errors


def test_gain_error_is_the_difference_of_sustain_levels() -> None:
    loud = Envelope(attack_ms=0, decay_ms=0, sustain=1.0, release_ms=0)
    soft = Envelope(attack_ms=0, decay_ms=0, sustain=0.5, release_ms=0)
    halved = 20 * np.log10(2)
    # The gate is half of the second; after it both are silent.
    assert gain_error_db(soft, loud) == pytest.approx(halved / 2, rel=1e-6)
    assert gain_error_db(soft, loud, tail=False) == pytest.approx(halved, rel=1e-6)
    assert gain_error_db(None, loud) == pytest.approx(60 / 2)
    assert gain_error_db(loud, loud) == 0.0
    assert gain_db(None).min() == -60.0


def test_a_release_difference_counts_in_the_tail() -> None:
    short = Envelope(attack_ms=0, decay_ms=0, sustain=1.0, release_ms=0)
    long = Envelope(attack_ms=0, decay_ms=0, sustain=1.0, release_ms=500)
    # a straight line to 0 over the tail, floored at -60 dB: the mean of 20 log10(1 - x) + 60 over x
    x = (np.arange(500) + 0.5) / 500
    expected = np.mean(np.maximum(20 * np.log10(1 - x), -60) + 60) / 2
    assert gain_error_db(short, long) == pytest.approx(expected, rel=1e-6)


def test_observable_envelope_parts_are_measured() -> None:
    envelope = Envelope(attack_ms=40, decay_ms=120, sustain=0.4, release_ms=80)
    notes = (Note(0.0, 0.6, 60, 100), Note(1.0, 0.6, 64, 100))
    frames = 2 * RATE
    sound = gain(notes, envelope, RATE, frames, 5.0) * np.concatenate([harmonic(262.0), harmonic(330.0)])
    measured = measure_envelope(sound, notes, RATE, 5.0)
    assert measured is not None
    assert gain_error_db(measured.envelope, envelope) < 0.5
    errors = parameter_errors(measured, measured)
    assert errors == {"attack_ms": 0.0, "decay_ms": 0.0, "sustain_db": 0.0, "release_ms": 0.0}
    assert all(math.isnan(value) for value in parameter_errors(None, measured).values())
    assert measure_envelope(np.zeros(frames), notes, RATE, 5.0) is None
    assert measure_envelope(sound, (), RATE, 5.0) is None
