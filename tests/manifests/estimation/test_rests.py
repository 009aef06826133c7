"""A release is a fall: noise, offsets and sounds that no note lists are not read as one."""

from __future__ import annotations

import numpy as np
import pytest

from manifests.estimation.estimate import EnvelopeEstimate, estimate_envelope
from manifests.synthesis.compose import gain
from manifests.types import Envelope, Note
from tests.support.sounds import RATE, harmonic

NOTES = (
    Note(0.0, 0.25, 60, 100),
    Note(0.5, 0.25, 62, 100),
    Note(0.75, 0.25, 64, 100),
    Note(1.0, 0.5, 60, 100),
)
"""Notes with rests of 250 and 500 ms."""

FRAMES = 2 * RATE
TONE = np.concatenate([harmonic(262.0), harmonic(262.0)])


def play(envelope: Envelope, notes: tuple[Note, ...] = NOTES) -> np.ndarray:
    """Plays a steady tone under the envelope, float64 [samples]."""
    return gain(notes, envelope, RATE, FRAMES, 5.0) * TONE


def estimate(sound: np.ndarray, notes: tuple[Note, ...] = NOTES) -> EnvelopeEstimate:
    return estimate_envelope(sound, notes, RATE, 5.0)


@pytest.mark.parametrize("sustain", [0.2, 0.6])
@pytest.mark.parametrize("level_db", [-50, -40, -30])
def test_a_noise_floor_is_no_release(sustain: float, level_db: float) -> None:
    noise = 10 ** (level_db / 20) * np.random.default_rng(0).standard_normal(FRAMES)
    found = estimate(play(Envelope(10, 60, sustain, 30)) + noise)
    assert found.envelope.release_ms == pytest.approx(30, abs=5)
    assert found.envelope.sustain == pytest.approx(sustain, rel=0.05)
    assert not found.release_interrupted


@pytest.mark.parametrize("offset", [0.01, 0.03])
def test_a_constant_offset_is_no_release(offset: float) -> None:
    found = estimate(play(Envelope(10, 60, 0.4, 30)) + offset)
    assert found.envelope.release_ms == pytest.approx(30, abs=5)
    assert found.release_seen


@pytest.mark.parametrize("onset", [0.26, 0.28])
def test_another_note_in_every_rest_leaves_the_release_untold(onset: float) -> None:
    envelope = Envelope(40, 60, 0.2, 120)
    held = Note(1.0, 1.0, 60, 100)
    extra = (NOTES[0], Note(onset, 0.2, 60, 100), *NOTES[1:3], held)
    found = estimate(play(envelope, extra), (*NOTES[:3], held))
    assert found.release_interrupted
    assert not found.release_seen
    assert found.envelope.sustain == pytest.approx(0.2, rel=0.05), "it does not bend the held part either"
    assert found.envelope.decay_ms + found.envelope.hold_ms == pytest.approx(60, abs=6)


def test_one_free_rest_suffices_to_tell_the_release() -> None:
    extra = (NOTES[0], Note(0.26, 0.2, 60, 100), *NOTES[1:])
    found = estimate(play(Envelope(10, 60, 0.2, 120), extra))
    assert found.envelope.release_ms == pytest.approx(120, abs=5)
    assert found.release_seen
    assert not found.release_interrupted


def test_a_note_after_the_release_does_not_hide_it() -> None:
    late = (*NOTES, Note(1.75, 0.2, 60, 100))
    found = estimate(play(Envelope(10, 60, 0.2, 120), late))
    assert found.envelope.release_ms == pytest.approx(120, abs=5)
    assert found.release_seen


@pytest.mark.parametrize("release_ms", [20.0, 120.0, 200.0, 400.0])
def test_a_release_without_company_is_read_whole(release_ms: float) -> None:
    found = estimate(play(Envelope(10, 60, 0.5, release_ms)))
    assert found.envelope.release_ms == pytest.approx(release_ms, rel=0.03)
    assert found.release_seen
    assert not found.release_interrupted


def test_a_legato_phrase_shows_no_release() -> None:
    legato = tuple(Note(0.5 * place, 0.5, 60 + place, 100) for place in range(4))
    found = estimate(play(Envelope(10, 60, 0.5, 120), legato), legato)
    assert not found.release_seen
    assert not found.release_interrupted


def test_the_part_before_another_note_tells_most_of_the_release() -> None:
    held = Note(1.0, 1.0, 60, 100)
    extra = (NOTES[0], Note(0.32, 0.15, 60, 100), *NOTES[1:3], held)
    found = estimate(play(Envelope(40, 60, 0.2, 120), extra), (*NOTES[:3], held))
    assert found.envelope.release_ms == pytest.approx(120, rel=0.1)
    assert not found.release_seen, "its end is not heard"
    assert not found.release_interrupted


@pytest.mark.parametrize("soft_db", [-25.0, -30.0, -40.0])
def test_a_soft_note_in_every_rest_is_no_release(soft_db: float) -> None:
    envelope = Envelope(10, 60, 0.2, 30)
    legato = (*NOTES[:3], Note(1.0, 1.0, 60, 100))
    soft = gain((Note(0.29, 0.21, 60, 100),), Envelope(40, 300, 0.1, 30), RATE, FRAMES, 5.0) * TONE
    found = estimate(play(envelope, legato) + 10 ** (soft_db / 20) * soft, legato)
    assert found.envelope.release_ms == pytest.approx(30, abs=6)
    assert found.envelope.sustain == pytest.approx(0.2, rel=0.05)
