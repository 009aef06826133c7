"""The envelope estimator recovers envelopes from audio and note times."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from manifests.estimation.estimate import estimate_envelope, measure_gain
from manifests.splits.seeds import stream
from manifests.types import CURVES, Envelope, InputError, Note
from tests.support.envelope_cases import CUT_MS, RATE, check_estimate, is_near, random_case, steady_clip


@pytest.mark.parametrize("part", range(8))
def test_200_random_envelopes_are_recovered(part: int) -> None:
    for index in range(part, 200, 8):
        expected, notes, sound = random_case(index)
        estimate = estimate_envelope(sound, notes, RATE, CUT_MS)
        check_estimate(estimate, expected)
        assert estimate.residual < 0.03


def test_the_curve_is_estimated_from_the_sound() -> None:
    for index in range(6):
        for curve in CURVES:
            expected, notes, sound = random_case(index, curve)
            estimate = estimate_envelope(sound, notes, RATE, CUT_MS, curve=None)
            assert estimate.envelope.curve == curve
            check_estimate(estimate, expected)


@pytest.mark.parametrize("sustain", [0.0, 4e-4])
def test_a_pluck_that_dies_away_has_no_hold(sustain: float) -> None:
    expected = Envelope(30.0, 85.0, sustain, 60.0)
    notes = tuple(Note(0.6 * k, 0.4, 60 + 2 * k, 100) for k in range(5))
    estimated = estimate_envelope(steady_clip(expected, notes), notes, RATE, CUT_MS).envelope
    assert is_near(estimated.attack_ms, 30.0)
    assert is_near(estimated.decay_ms, 85.0)
    assert estimated.hold_ms < 3.0
    assert estimated.sustain < 6e-4


def test_only_note_times_are_used() -> None:
    _, notes, sound = random_case(3)
    estimate = estimate_envelope(sound, notes, RATE, CUT_MS)
    untold = tuple(replace(note, pitch=60, velocity=1) for note in notes)
    assert estimate_envelope(sound, untold, RATE, CUT_MS) == estimate


def test_noise_at_minus_60_dbfs_is_tolerated() -> None:
    for index in range(4):
        expected, notes, sound = random_case(index)
        noise = 1e-3 * (stream(0, "noise", index).random(len(sound)) - 0.5) * 12**0.5
        check_estimate(estimate_envelope(sound + noise, notes, RATE, CUT_MS), expected)


def test_unobservable_parameters_are_flagged() -> None:
    envelope = Envelope(20.0, 80.0, 0.5, 150.0)
    legato = tuple(Note(0.5 * k, 0.5, 60 + k, 100) for k in range(6))
    estimate = estimate_envelope(steady_clip(envelope, legato), legato, RATE, CUT_MS)
    assert not estimate.release_seen
    assert estimate.attack_seen
    assert estimate.sustain_seen

    short = tuple(Note(0.5 * k, 0.06, 60, 100) for k in range(6))
    estimate = estimate_envelope(steady_clip(envelope, short), short, RATE, CUT_MS)
    assert not estimate.sustain_seen
    assert not estimate.decay_seen
    assert estimate.release_seen
    assert is_near(estimate.envelope.attack_ms, 20.0)
    assert is_near(estimate.envelope.release_ms, 150.0)

    held = (Note(0.0, 2.0, 60, 100),)
    organ = Envelope(20.0, 0.0, 1.0, 150.0)
    estimate = estimate_envelope(steady_clip(organ, held), held, RATE, CUT_MS)
    assert not estimate.decay_seen
    assert is_near(estimate.envelope.attack_ms, 20.0)
    assert is_near(estimate.envelope.release_ms, 150.0)


def test_the_level_is_that_of_the_loudest_note() -> None:
    notes = (Note(0.0, 0.5, 69, 64), Note(1.0, 1.0, 69, 127))
    sound = steady_clip(Envelope(10.0, 50.0, 0.5, 100.0, hold_ms=50.0), notes, "sine")
    estimate = estimate_envelope(sound, notes, RATE, CUT_MS)
    assert estimate.level_db == pytest.approx(-1.0 - 3.01, abs=0.1)


def test_measure_gain_is_the_rms_at_its_time() -> None:
    time = np.arange(2 * RATE) / RATE
    sound = np.where(time < 1.0, 0.0, 0.5 * np.sin(2 * np.pi * 500.0 * time))
    curve = measure_gain(sound, RATE)
    assert np.allclose(curve.level[curve.time_s > 1.02][:-10], 0.5 / 2**0.5, rtol=0.01)
    assert np.all(curve.level[curve.time_s < 0.98] == 0.0)
    half_way = curve.time_s[np.flatnonzero(curve.level >= 0.5 / 2)[0]]
    assert half_way == pytest.approx(1.0, abs=0.003)


def test_bad_input_is_refused() -> None:
    _, notes, sound = random_case(0)
    for wrong, played, message in (
        (np.zeros(RATE * 3), notes, "silent"),
        (sound, (), "no note"),
        (sound, (Note(5.0, 1.0, 60, 90),), "no note"),
        (np.full(RATE * 3, np.nan), notes, "finite"),
        (np.stack([sound, sound]), notes, "frames"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            estimate_envelope(wrong, played, RATE, CUT_MS)
        assert "\n" not in str(caught.value)
