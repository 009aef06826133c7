"""Envelopes, timbre and loudness as they are heard: pinned where the answer is known, alone and together."""

from __future__ import annotations

import math

import numpy as np
import pytest

from manifests.synthesis.compose import gain
from manifests.synthesis.octaves import median_pitch
from manifests.types import Envelope, Note
from tests.support.sounds import RATE, harmonic, played, sine
from tests.support.synthetic_dataset import CUT_FADE_MS, make_envelope, make_phrase
from train.metrics.envelope import gain_db, gain_error_db, hear_envelope, part_errors
from train.metrics.features import Ears
from train.metrics.loudness import QUIETEST, loudness
from train.metrics.measurement import Known, compare, hear, hear_goal
from train.metrics.timbre import embedding_distance, hear_timbre, mfcc_distance


def test_gain_error_is_what_two_sustain_levels_differ_by() -> None:
    loud = Envelope(attack_ms=0, decay_ms=0, sustain=1.0, release_ms=0)
    soft = Envelope(attack_ms=0, decay_ms=0, sustain=0.5, release_ms=0)
    halved = 20 * np.log10(2)
    # the gate is half of the second, and after it both are silent
    assert gain_error_db(soft, loud) == pytest.approx(halved / 2, rel=1e-6)
    assert gain_error_db(soft, loud, tail=False) == pytest.approx(halved, rel=1e-6)
    assert gain_error_db(None, loud) == pytest.approx(60 / 2)
    assert gain_error_db(loud, loud) == 0.0
    assert gain_db(None).min() == -60.0


def test_a_known_release_is_paid_for_in_the_tail() -> None:
    short = Envelope(attack_ms=0, decay_ms=0, sustain=1.0, release_ms=0)
    long = Envelope(attack_ms=0, decay_ms=0, sustain=1.0, release_ms=500)
    # a straight line to 0 over the tail, floored at -60 dB: the mean of 20 log10(1 - x) + 60 over x
    x = (np.arange(500) + 0.5) / 500
    expected = np.mean(np.maximum(20 * np.log10(1 - x), -60) + 60) / 2
    assert gain_error_db(short, long) == pytest.approx(expected, rel=1e-6)


def test_the_parts_of_an_envelope_are_heard_where_they_can_be() -> None:
    asked = Envelope(attack_ms=40, decay_ms=120, sustain=0.4, release_ms=80)
    notes = (Note(0.0, 0.6, 60, 100), Note(1.0, 0.6, 64, 100))
    frames = 2 * RATE
    sound = gain(notes, asked, RATE, frames, 5.0) * np.concatenate([harmonic(262.0), harmonic(330.0)])
    heard = hear_envelope(sound, notes, RATE, 5.0)
    assert heard is not None
    assert gain_error_db(heard.envelope, asked) < 0.5
    errors = part_errors(heard, heard)
    assert errors == {"attack_ms": 0.0, "decay_ms": 0.0, "sustain_db": 0.0, "release_ms": 0.0}
    assert all(math.isnan(value) for value in part_errors(None, heard).values())
    assert hear_envelope(np.zeros(frames), notes, RATE, 5.0) is None
    assert hear_envelope(sound, (), RATE, 5.0) is None


def test_timbre_hears_neither_level_nor_length_but_hears_spectra() -> None:
    one, loud = hear_timbre(harmonic(220.0), RATE), hear_timbre(0.1 * harmonic(220.0, 2.0), RATE)
    other = hear_timbre(harmonic(220.0, slope=3.0), RATE)
    assert one is not None
    assert loud is not None
    assert other is not None
    assert mfcc_distance(one, loud) < 1.0 < 5.0 < mfcc_distance(one, other)
    assert embedding_distance(one, loud) < 0.02 < 0.2 < embedding_distance(one, other)
    assert hear_timbre(np.zeros(RATE), RATE) is None


def test_the_embedding_tells_timbres_apart_that_it_was_not_fitted_on() -> None:
    """AUC of one timbre on two phrases at matched pitch against two timbres: a synth it was not fitted on."""
    medians = [median_pitch(make_phrase(7, phrase, 1.0)) for phrase in range(16)]
    phrases = [phrase for phrase, pitch in enumerate(medians) if pitch == max(medians, key=medians.count)]
    heard = [
        [hear_timbre(played(t, p, make_envelope(7, t + p)[1], 1.0)[0], RATE) for p in phrases[:2]]
        for t in range(9)
    ]
    found: dict[bool, list[float]] = {True: [], False: []}
    for a, (one, _) in enumerate(heard):
        for b, (_, two) in enumerate(heard):
            assert one is not None
            assert two is not None
            found[a == b].append(embedding_distance(one, two))
    below = np.array(found[True])[:, None] < np.array(found[False])[None, :]
    assert below.mean() >= 0.95


def test_loudness_is_the_recommendations() -> None:
    # BS.1770: a 0 dBFS sine at 997 Hz in one channel is -3.01 LUFS
    assert loudness(sine(997.0, 2.0, level=1.0), RATE) == pytest.approx(-3.01, abs=0.02)
    assert loudness(sine(997.0, 2.0, level=0.1, rate=48_000), 48_000) == pytest.approx(-23.01, abs=0.02)
    # silence is gated out
    gated = np.concatenate([sine(997.0, 2.0, level=0.1), np.zeros(2 * RATE)])
    assert loudness(gated, RATE) == pytest.approx(-23.01, abs=0.4)
    assert loudness(np.zeros(RATE), RATE) == QUIETEST
    assert np.isfinite(loudness(np.ones(1), RATE))


def test_an_equal_sound_is_perfect_and_silence_fails_where_the_target_speaks() -> None:
    envelope = Envelope(attack_ms=20, decay_ms=100, sustain=0.5, release_ms=60)
    sound, notes = played(1, 0, envelope)
    goal = hear_goal(Ears(sound, RATE), Known(notes, envelope, CUT_FADE_MS))
    same = compare(goal.target, goal)
    assert same["f_pitch"] == same["onset_f1"] == 1.0 or same["onset_f1"] > 0.9
    assert same["timbre"] == pytest.approx(0.0, abs=1e-12)
    assert same["loudness_lu"] == same["mstft"] == 0.0
    assert same["envelope_db"] < 0.5, "the estimator's own error: the target's envelope is known"
    silent = compare(hear(Ears(np.zeros(len(sound)), RATE), notes, CUT_FADE_MS), goal)
    assert silent.keys() == same.keys()
    assert {name for name, value in silent.items() if math.isnan(value)} >= {"timbre", "mfcc_db", "attack_ms"}
    assert silent["f_pitch"] == silent["onset_f1"] == 0.0


def test_a_silent_target_defines_no_pitch_timbre_or_envelope() -> None:
    goal = hear_goal(Ears(np.zeros(RATE), RATE), None)
    values = compare(hear(Ears(sine(440.0), RATE), (), 5.0), goal)
    assert not {"f_pitch", "timbre", "envelope_db", "onset_f1", "loudness_lu"} & values.keys()
    assert values["mstft"] > 0.0


@pytest.mark.parametrize("samples", [1, 2, 300, 5000])
def test_sounds_of_any_length_are_heard(samples: int) -> None:
    sound = sine(440.0)[-samples:]
    values = compare(hear(Ears(sound, RATE), (), 5.0), hear_goal(Ears(sound, RATE), None))
    assert values["mstft"] == 0.0
