"""Composing clips: equal to a scalar reference, to stored vectors, and true to its stated properties."""

from __future__ import annotations

import json

import numpy as np
import pytest

from manifests.synthesis import compose
from manifests.types import Envelope, Note
from tests.support import scalar_compose

CASES = json.loads(scalar_compose.VECTORS.read_text())
RATE, FRAMES = 44_100, 132_300


def notes_of(case: dict) -> list[Note]:
    return [Note(on, duration, int(pitch), int(v)) for on, duration, pitch, v in case["notes"]]


@pytest.mark.parametrize("case", CASES)
def test_gain_equals_the_stored_vectors_and_the_scalar_reference(case: dict) -> None:
    made = compose.gain(
        notes_of(case), Envelope(**case["envelope"]), case["rate"], case["frames"], case["cut_fade_ms"]
    )
    twin = scalar_compose.clip_gain(
        case["notes"], case["envelope"], case["rate"], case["frames"], case["cut_fade_ms"]
    )
    np.testing.assert_allclose(made, case["gain"], atol=1e-6)
    np.testing.assert_allclose(made, twin, atol=1e-6)


def test_a_new_onset_cuts_the_old_tail_without_a_click() -> None:
    notes = (Note(0.0, 0.5, 60, 127), Note(0.5, 0.5, 62, 127))
    envelope = Envelope(attack_ms=5, decay_ms=10, sustain=1.0, release_ms=500)
    gain = compose.gain(notes, envelope, RATE, FRAMES, 3.0)
    onset = RATE // 2
    assert gain[onset - 200] == pytest.approx(1.0)
    assert gain[onset] == 0.0
    assert np.max(np.abs(np.diff(gain))) < 0.02, "no step larger than the fade's own slope"


def test_dry_is_silent_before_the_first_note_and_plays_each_tone_from_its_start() -> None:
    tone = np.arange(1, FRAMES + 1, dtype=np.int64) % 1000
    tones = {60: (tone.astype(np.int16), 0.5), 62: ((-tone).astype(np.int16), 0.25)}
    dry = compose.dry((Note(0.5, 0.5, 60, 127), Note(1.0, 0.5, 62, 127)), tones, RATE, FRAMES)
    assert not dry[: RATE // 2].any()
    np.testing.assert_array_equal(dry[RATE // 2 : RATE], tone[: RATE - RATE // 2] * np.float32(0.5))
    np.testing.assert_array_equal(dry[RATE:], -tone[: FRAMES - RATE] * np.float32(0.25))


def test_dry_is_silent_after_a_tone_and_refuses_a_tone_shorter_than_its_note() -> None:
    tones = {60: (np.ones(RATE, dtype=np.int16), 1.0)}
    dry = compose.dry((Note(0.0, 1.0, 60, 127),), tones, RATE, FRAMES)
    assert dry[:RATE].all()
    assert not dry[RATE:].any()
    with pytest.raises(ValueError, match="44100 samples, 48510 needed"):
        compose.dry((Note(0.0, 1.1, 60, 127),), tones, RATE, FRAMES)


@pytest.mark.parametrize("dbfs", [0.0, -1.0, -6.0])
def test_the_peak_is_exactly_the_configured_one(dbfs: float) -> None:
    peak = compose.peak_value(dbfs)
    rng = np.random.default_rng(0)
    for scale in (1e-4, 1.0, 300.0):
        pcm, factor = compose.to_int16((scale * rng.standard_normal(5000)).astype(np.float32), peak)
        assert np.abs(pcm.astype(int)).max() == peak
        assert factor > 0
    assert peak == round(10 ** (dbfs / 20) * 32767)


@pytest.mark.parametrize("sound", [np.zeros(10), np.full(10, np.nan), np.array([np.inf, 1.0])])
def test_sounds_without_a_peak_are_refused(sound: np.ndarray) -> None:
    with pytest.raises(ValueError, match="finite peak"):
        compose.to_int16(sound.astype(np.float32), 29204)
