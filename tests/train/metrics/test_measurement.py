"""Measurements of a sound compared with its target: perfect, silent, and of any length."""

from __future__ import annotations

import math

import numpy as np
import pytest

from manifests.synthesis.compose import gain
from manifests.types import Envelope, Note
from tests.support.sounds import RATE, harmonic, play_phrase, sine
from tests.support.synthetic_dataset import CUT_FADE_MS
from train.metrics.features import AudioFeatures
from train.metrics.measurement import GroundTruth, compare, measure, measure_target
from train.metrics.spectral import DETECTED_WITHIN_S, bridge_onsets


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


def scores_of(estimate: np.ndarray, target: np.ndarray, notes: tuple, rate: int = RATE) -> dict[str, float]:
    """Scores an estimate whose target's notes are known."""
    known = measure_target(AudioFeatures(target, rate), GroundTruth(notes))
    return compare(measure(AudioFeatures(estimate, rate), notes, 5.0), known)


NOTES = (Note(0.0, 0.5, 69, 100), Note(0.5, 0.5, 69, 100))


def test_a_constant_and_rumble_do_not_count_above_45_hz() -> None:
    target = sine(440.0)
    for added in (0.1, sine(12.0, level=0.1)):
        values = scores_of(target + added, target, NOTES)
        assert values["mstft_floored"] > 0.1
        assert values["mstft_highpassed"] < 0.1 * values["mstft_floored"]
    heard = scores_of(target + sine(110.0, level=0.1), target, NOTES)
    assert heard["mstft_highpassed"] > 0.9 * heard["mstft_floored"], "110 Hz are heard"


@pytest.mark.parametrize("rate", [RATE, 48_000])
def test_a_click_before_an_onset_does_not_count(rate: int) -> None:
    target = sine(440.0, rate=rate)
    clicks = {}
    for before_ms in (30, 7.5, 0.5):
        estimate = target.copy()
        estimate[round((0.5 - before_ms / 1000) * rate)] += 0.5
        clicks[before_ms] = scores_of(estimate, target, NOTES, rate)
    assert clicks[30]["mstft_bridged"] == clicks[30]["mstft_floored"] > 0.01
    assert clicks[7.5]["mstft_bridged"] == pytest.approx(0.0, abs=1e-9)
    assert clicks[0.5]["mstft_bridged"] == pytest.approx(0.0, abs=1e-9)
    assert clicks[7.5]["mstft_floored"] > 0.01


@pytest.mark.parametrize("phase", range(3))
def test_bridges_between_tones_of_other_phases_cost_little(phase: int) -> None:
    time = np.arange(RATE) / RATE
    target, estimate = (
        sum(0.2 / k * np.sin(2 * np.pi * k * 220.0 * time + moved * k * (k + phase)) for k in range(1, 13))
        for moved in (0, 1.7)
    )
    values = scores_of(np.asarray(estimate), np.asarray(target), NOTES)
    assert values["mstft_bridged"] < values["mstft_floored"] + 0.02


def test_detected_onsets_are_bridged_where_notes_are_unknown() -> None:
    envelope = Envelope(attack_ms=5, decay_ms=100, sustain=0.3, release_ms=20)
    target, notes = play_phrase(1, 0, envelope)
    heard = measure_target(AudioFeatures(target, RATE), None)
    onsets = heard.measured.features.onsets
    assert len(onsets) == len(notes)
    estimate = target.copy()
    estimate[np.round((onsets[1:] - 0.004) * RATE).astype(int)] += 0.3
    values = compare(measure(AudioFeatures(estimate, RATE), heard.notes, 5.0), heard)
    assert values["mstft_bridged"] == pytest.approx(0.0, abs=1e-9)
    assert values["mstft_floored"] > 0.02


@pytest.mark.parametrize("late_s", [-0.005, 0.0, 0.012])
def test_bridges_of_detected_onsets_cover_the_clicks_of_the_true_ones(late_s: float) -> None:
    """Detected onsets are a few ms off; a click 1 ms before the true one must still be covered."""
    target, notes = play_phrase(1, 0, Envelope(attack_ms=5, decay_ms=100, sustain=0.3, release_ms=20))
    estimate = target.copy()
    onsets = np.array([note.onset for note in notes])
    estimate[np.round((onsets[1:] - 0.001) * RATE).astype(int)] += 0.3
    ours, theirs = bridge_onsets(estimate, target, onsets + late_s, RATE, DETECTED_WITHIN_S)
    assert np.max(np.abs(ours - theirs)) < 1e-12
    heard = measure_target(AudioFeatures(target, RATE), None)
    values = compare(measure(AudioFeatures(estimate, RATE), heard.notes, 5.0), heard)
    assert values["mstft_bridged"] == pytest.approx(0.0, abs=1e-9)
    assert values["mstft_floored"] > 0.02


def test_another_note_in_the_rest_is_not_read_as_a_release() -> None:
    envelope = Envelope(attack_ms=40, decay_ms=60, sustain=0.2, release_ms=30)
    notes = (Note(0.0, 0.25, 60, 100), Note(0.5, 0.5, 60, 100))
    tone = harmonic(262.0)
    sound = gain(notes, envelope, RATE, RATE, CUT_FADE_MS) * tone
    target = measure_target(AudioFeatures(sound, RATE), GroundTruth(notes, envelope, CUT_FADE_MS))
    assert target.envelope is not None
    assert target.envelope.release_seen
    extra = (notes[0], Note(0.26, 0.2, 60, 100), notes[1])
    made = gain(extra, envelope, RATE, RATE, CUT_FADE_MS) * tone
    values = compare(measure(AudioFeatures(made, RATE), notes, CUT_FADE_MS), target)
    assert values["envelope_db"] < 0.5, "its envelope is the target's, its notes are not"
    assert math.isnan(values["release_ms"]), "the release cannot be told: a failure"
