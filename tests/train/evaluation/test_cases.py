"""Hard cases: found from notes and envelopes."""

from __future__ import annotations

import numpy as np

from manifests.types import Envelope, Note
from tests.support.sounds import RATE, play_phrase, sine
from tests.support.synthetic_dataset import CUT_FADE_MS
from train.evaluation.cases import audible_ms, hard_cases
from train.evaluation.transplant import AnnotatedAudio, match_octave
from train.metrics.features import AudioFeatures
from train.metrics.measurement import GroundTruth, measure_target


def test_hard_cases_are_found_from_notes_and_envelopes() -> None:
    short = Envelope(attack_ms=5, decay_ms=60, sustain=0.0, release_ms=30)
    long = Envelope(attack_ms=5, decay_ms=60, sustain=0.8, release_ms=200)
    assert audible_ms(short) < 100 < 500 < audible_ms(long)
    sound, notes = play_phrase(1, 0, long)
    source = AnnotatedAudio(sound.astype(np.float32), match_octave(notes, (Note(0.0, 1.0, 85, 100),)), short)
    cases = hard_cases(
        source, measure_target(AudioFeatures(sound, RATE), GroundTruth(notes, long, CUT_FADE_MS))
    )
    assert {"short_to_long", "octave_shifted"} <= cases
    assert "long_to_short" not in cases
    spaced = (Note(0.0, 0.3, 86, 100), Note(0.8, 0.1, 88, 100), Note(0.9, 0.4, 90, 100))
    target = measure_target(AudioFeatures(sine(1175.0, 1.5), RATE), GroundTruth(spaced, long, CUT_FADE_MS))
    assert {"rests", "fast", "very_high"} <= hard_cases(source, target)
