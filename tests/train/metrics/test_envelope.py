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


@pytest.mark.parametrize("sustain", [0.2, 0.6])
@pytest.mark.parametrize("constant", [0.02, 0.1])
def test_a_constant_ramped_to_zero_is_no_release(sustain: float, constant: float) -> None:
    """What published targets hold after a note: it stops, and an offset stands and is ramped out."""
    envelope = Envelope(attack_ms=10, decay_ms=60, sustain=sustain, release_ms=1)
    notes = (Note(0.0, 0.25, 60, 100), Note(0.5, 0.5, 62, 100))
    sound = gain(notes, envelope, RATE, RATE, 5.0) * harmonic(262.0)
    off, ramp = round(0.25 * RATE), round(0.12 * RATE)
    sound[off : off + ramp] += constant * np.linspace(1.0, 0.0, ramp)
    measured = measure_envelope(sound, notes, RATE, 5.0)
    assert measured is not None
    assert measured.envelope.release_ms < 30.0


@pytest.mark.parametrize("offset", [0.01, 0.1])
def test_a_constant_offset_changes_nothing(offset: float) -> None:
    envelope = Envelope(attack_ms=10, decay_ms=60, sustain=0.2, release_ms=30)
    notes = (Note(0.0, 0.25, 60, 100), Note(0.5, 0.25, 62, 100))
    sound = gain(notes, envelope, RATE, RATE, 5.0) * harmonic(262.0)
    clean, moved = (measure_envelope(x, notes, RATE, 5.0) for x in (sound, sound + offset))
    assert clean is not None
    assert moved is not None
    assert gain_error_db(moved.envelope, clean.envelope) < 0.05
    assert moved.release_seen
