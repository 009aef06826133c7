"""Untrained conversions: notes transplanted from a reference, and sources with another envelope."""

from __future__ import annotations

import numpy as np
import pytest

from manifests.types import Envelope, Note
from tests.support.sounds import RATE, play_phrase
from tests.support.synthetic_dataset import CUT_FADE_MS
from train.evaluation.transplant import AnnotatedAudio, match_octave, re_envelope, transplant
from train.metrics import score, spectral_features


def test_transplanting_a_clips_own_notes_reproduces_it() -> None:
    envelope = Envelope(attack_ms=15, decay_ms=80, sustain=0.7, release_ms=60)
    sound, notes = play_phrase(1, 0, envelope)
    other, others = play_phrase(2, 1, envelope)
    made = transplant(
        notes, envelope, AnnotatedAudio(sound.astype(np.float32), notes, envelope), RATE, len(sound), 5.0, 0.9
    )
    near = score(spectral_features(made), spectral_features(sound))["mstft_floored_matched"]
    far = score(spectral_features(other), spectral_features(sound))["mstft_floored_matched"]
    assert near < 0.5 * far
    assert np.max(np.abs(made)) == pytest.approx(0.9)
    assert not transplant((), envelope, AnnotatedAudio(made, notes, envelope), RATE, 1000, 5.0, 0.9).any()
    assert not transplant(notes, envelope, AnnotatedAudio(made, (), envelope), RATE, 1000, 5.0, 0.9).any()
    assert len(others) > 0


def test_re_enveloping_changes_only_the_envelope() -> None:
    old = Envelope(attack_ms=20, decay_ms=100, sustain=0.5, release_ms=60)
    new = Envelope(attack_ms=60, decay_ms=200, sustain=0.9, release_ms=120)
    sound, notes = play_phrase(1, 0, old)
    target, _ = play_phrase(1, 0, new)
    made = re_envelope(AnnotatedAudio(sound.astype(np.float32), notes, old), new, RATE, CUT_FADE_MS)
    got = score(spectral_features(made), spectral_features(target))
    assert got["lrmsd_floored_matched"] < 0.1
    assert re_envelope(AnnotatedAudio(made, (), old), new, RATE, 5.0) is made


def test_the_octave_is_the_donors() -> None:
    low = (Note(0.0, 1.0, 45, 100),)
    high = (Note(0.0, 1.0, 81, 100),)
    assert [note.pitch for note in match_octave(low, high)] == [81]
    assert match_octave((), high) == ()
