"""Measurements of a sound compared with its target: perfect, silent, and of any length."""

from __future__ import annotations

import math

import numpy as np
import pytest

from manifests.types import Envelope
from tests.support.sounds import RATE, play_phrase, sine
from tests.support.synthetic_dataset import CUT_FADE_MS
from train.metrics.features import AudioFeatures
from train.metrics.measurement import GroundTruth, compare, measure, measure_target


def test_equal_sounds_are_perfect_and_silence_fails() -> None:
    envelope = Envelope(attack_ms=20, decay_ms=100, sustain=0.5, release_ms=60)
    sound, notes = play_phrase(1, 0, envelope)
    target = measure_target(AudioFeatures(sound, RATE), GroundTruth(notes, envelope, CUT_FADE_MS))
    same = compare(target.measured, target)
    assert same["f_pitch"] == same["onset_f1"] == 1.0 or same["onset_f1"] > 0.9
    assert same["timbre"] == pytest.approx(0.0, abs=1e-12)
    assert same["loudness_lu"] == same["mstft"] == 0.0
    assert same["envelope_db"] < 0.5, "the estimator's own error: the target's envelope is known"
    silent = compare(measure(AudioFeatures(np.zeros(len(sound)), RATE), notes, CUT_FADE_MS), target)
    assert silent.keys() == same.keys()
    assert {name for name, value in silent.items() if math.isnan(value)} >= {"timbre", "mfcc_db", "attack_ms"}
    assert silent["f_pitch"] == silent["onset_f1"] == 0.0


def test_a_silent_target_defines_no_pitch_timbre_or_envelope() -> None:
    target = measure_target(AudioFeatures(np.zeros(RATE), RATE), None)
    values = compare(measure(AudioFeatures(sine(440.0), RATE), (), 5.0), target)
    assert not {"f_pitch", "timbre", "envelope_db", "onset_f1", "loudness_lu"} & values.keys()
    assert values["mstft"] > 0.0


@pytest.mark.parametrize("samples", [1, 2, 300, 5000])
def test_sounds_of_any_length_are_measured(samples: int) -> None:
    sound = sine(440.0)[-samples:]
    values = compare(
        measure(AudioFeatures(sound, RATE), (), 5.0), measure_target(AudioFeatures(sound, RATE), None)
    )
    assert values["mstft"] == 0.0
