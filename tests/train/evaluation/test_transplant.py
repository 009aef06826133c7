"""What is scored without a training: transplants and re-enveloped sources, hard cases, effects on sources."""

from __future__ import annotations

import numpy as np
import pytest

from manifests.types import Envelope, Note
from tests.support.sounds import RATE, harmonic, played, sine
from tests.support.synthetic_dataset import CUT_FADE_MS
from train.evaluation.cases import cases_of, sounding_ms
from train.evaluation.effects import EFFECTS
from train.evaluation.transplant import Part, moved, re_envelope, transplant
from train.metrics import describe, score
from train.metrics.features import Ears
from train.metrics.measurement import Known, hear_goal


def test_a_transplant_of_the_notes_own_sound_is_near_to_it() -> None:
    envelope = Envelope(attack_ms=15, decay_ms=80, sustain=0.7, release_ms=60)
    sound, notes = played(1, 0, envelope)
    other, others = played(2, 1, envelope)
    made = transplant(
        notes, envelope, Part(sound.astype(np.float32), notes, envelope), RATE, len(sound), 5.0, 0.9
    )
    near = score(describe(made), describe(sound))["mstft_floored_matched"]
    far = score(describe(other), describe(sound))["mstft_floored_matched"]
    assert near < 0.5 * far
    assert np.max(np.abs(made)) == pytest.approx(0.9)
    assert not transplant((), envelope, Part(made, notes, envelope), RATE, 1000, 5.0, 0.9).any()
    assert not transplant(notes, envelope, Part(made, (), envelope), RATE, 1000, 5.0, 0.9).any()
    assert len(others) > 0


def test_re_enveloping_changes_nothing_but_the_envelope() -> None:
    old = Envelope(attack_ms=20, decay_ms=100, sustain=0.5, release_ms=60)
    new = Envelope(attack_ms=60, decay_ms=200, sustain=0.9, release_ms=120)
    sound, notes = played(1, 0, old)
    wanted, _ = played(1, 0, new)
    made = re_envelope(Part(sound.astype(np.float32), notes, old), new, RATE, CUT_FADE_MS)
    got = score(describe(made), describe(wanted))
    assert got["lrmsd_floored_matched"] < 0.1
    assert re_envelope(Part(made, (), old), new, RATE, 5.0) is made


def test_the_octave_is_the_donors() -> None:
    low = (Note(0.0, 1.0, 45, 100),)
    high = (Note(0.0, 1.0, 81, 100),)
    assert [note.pitch for note in moved(low, high)] == [81]
    assert moved((), high) == ()


def test_hard_cases_are_told_from_notes_and_envelopes() -> None:
    short = Envelope(attack_ms=5, decay_ms=60, sustain=0.0, release_ms=30)
    long = Envelope(attack_ms=5, decay_ms=60, sustain=0.8, release_ms=200)
    assert sounding_ms(short) < 100 < 500 < sounding_ms(long)
    sound, notes = played(1, 0, long)
    source = Part(sound.astype(np.float32), moved(notes, (Note(0.0, 1.0, 85, 100),)), short)
    found = cases_of(source, hear_goal(Ears(sound, RATE), Known(notes, long, CUT_FADE_MS)))
    assert {"short_to_long", "octave_shifted"} <= found
    assert "long_to_short" not in found
    spaced = (Note(0.0, 0.3, 86, 100), Note(0.8, 0.1, 88, 100), Note(0.9, 0.4, 90, 100))
    goal = hear_goal(Ears(sine(1175.0, 1.5), RATE), Known(spaced, long, CUT_FADE_MS))
    assert {"rests", "fast", "very_high"} <= cases_of(source, goal)


@pytest.mark.parametrize("effect", EFFECTS)
def test_an_effect_keeps_length_and_level_and_changes_the_sound(effect: str) -> None:
    sound = harmonic(220.0).astype(np.float32)
    made = EFFECTS[effect](sound, RATE)
    assert len(made) == len(sound)
    assert np.sqrt(np.mean(made**2)) == pytest.approx(np.sqrt(np.mean(sound**2)), rel=1e-3)
    assert score(describe(made), describe(sound))["mstft_floored"] > 0.1
    np.testing.assert_array_equal(made, EFFECTS[effect](sound, RATE))
    assert not EFFECTS[effect](np.zeros(RATE, dtype=np.float32), RATE).any()


def test_vibrato_is_as_deep_as_it_says() -> None:
    made = EFFECTS["vibrato"](sine(440.0).astype(np.float32), RATE).astype(float)
    spectrum = np.fft.fft(made)
    spectrum[len(made) // 2 :] = 0
    hertz = np.diff(np.unwrap(np.angle(np.fft.ifft(spectrum)))) * RATE / (2 * np.pi)
    semitones = 12 * np.log2(hertz[4000:-4000] / 440.0)
    assert (semitones.max() - semitones.min()) / 2 == pytest.approx(0.30, abs=0.04)
