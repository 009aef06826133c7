"""Pitch metrics by their formulas, of hand-made tracks and of known notes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from manifests.types import Note
from tests.support.sounds import RATE, harmonic
from train.metrics.pitch import f0_rmse_cents, f_pitch, f_pitch_notes
from train.metrics.tracker import HOP_S, PitchTrack, track_pitch


def steps(*midi: float | None) -> PitchTrack:
    """Returns a pitch track by hand; None is unvoiced."""
    return PitchTrack(np.array([m or 0.0 for m in midi]), np.array([m is not None for m in midi]))


def test_f_pitch_follows_its_formula() -> None:
    target = steps(60, 60, 62, 62, None)
    assert f_pitch(target, target) == 1.0
    # hits 2 (within 50 cents), voiced 4 and 4
    assert f_pitch(steps(60.4, 60.6, 62, None, 70), target) == pytest.approx(2 * 2 / 8)
    assert f_pitch(steps(72, 48, 62, 62, None), target) == pytest.approx(2 * 2 / 8)
    assert f_pitch(steps(72, 48, 62, 62, None), target, chroma=True) == 1.0
    assert f_pitch(steps(None, None, None, None, None), target) == 0.0
    assert f_pitch(target, steps(None, None, None, None, None)) is None


def test_f0_rmse_is_unfiltered_and_may_be_undefined() -> None:
    target = steps(60, 60, 60, 60, None)
    assert f0_rmse_cents(steps(60.1, 60.1, 60.1, 60.1, 99), target) == pytest.approx(10.0)
    assert f0_rmse_cents(steps(60, 60, 60, 72, None), target) == pytest.approx(1200 / 2)
    assert math.isnan(f0_rmse_cents(steps(None, None, None, None, 60), target) or 0.0)
    assert f0_rmse_cents(target, steps(None)) is None


def test_an_octave_costs_all_of_f_pitch_and_nothing_of_its_chroma() -> None:
    low, high = track_pitch(harmonic(220.0), RATE), track_pitch(harmonic(440.0), RATE)
    assert f_pitch(high, low) == 0.0
    chroma = f_pitch(high, low, chroma=True)
    assert chroma is not None
    assert chroma > 0.95


def test_pitch_against_notes_counts_only_audible_held_frames() -> None:
    times = np.arange(63) * HOP_S
    notes = (Note(0.0, 0.5, 69, 100),)
    estimate = PitchTrack(np.where(times < 0.25, 69.0, 71.0), np.ones(63, dtype=bool))
    everywhere = np.ones(63, dtype=bool)
    assert f_pitch_notes(estimate, notes, everywhere) == pytest.approx(0.5, abs=0.02)
    assert f_pitch_notes(estimate, notes, times < 0.25) == 1.0
    assert f_pitch_notes(estimate, notes, times > 0.7) is None
