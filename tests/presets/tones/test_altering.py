"""Altered tone sets: levels between zones survive, the octave moves, nothing but the recipe changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from manifests.synthesis.recipe import Inharmonic, Motion, Recipe
from presets.synths.synth import Synth
from presets.tones.altering import alter_tone_set
from presets.tones.making import TONE_RMS, group_address
from presets.tones.tone_set import ToneSet
from tests.support.presets.tone_sets import SPEC, assert_same_tone_set

PLAIN = Recipe(None, 0.0, (), (), None, None, 7)


def levels_db(tones: ToneSet) -> np.ndarray:
    """Returns the RMS of each tone in dB."""
    samples = tones.samples.astype(np.float64) * tones.scales[:, None]
    return np.asarray(10 * np.log10(np.mean(samples**2, axis=1)))


def hertz(tone: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(tone * np.hanning(len(tone)), 1 << 18))
    return float(power.argmax()) * 44_100 / (1 << 18)


def test_zones_have_levels_of_their_own_and_the_set_one_rms(saw: ToneSet) -> None:
    altered = alter_tone_set(saw, replace(PLAIN, zone=(4, 1), key=3))
    steps = np.abs(np.diff(levels_db(altered)))
    # 57..60 are a zone, then 61..64; the lowest tones are 55 and 56.
    at_border = np.isin(np.arange(55, 64), [56, 60])
    assert steps[at_border].max() > 1.0
    assert steps[~at_border].max() < 0.3
    rms = np.sqrt(np.mean(10 ** (levels_db(altered) / 10)))
    assert rms == pytest.approx(TONE_RMS, rel=1e-3)
    for pitch, (tone, _) in altered.by_pitch().items():
        assert hertz(tone) == pytest.approx(440 * 2 ** ((pitch - 69) / 12), abs=2.0)
    assert (altered.octave, altered.pitch_confidence) == (0, 1.0)


def test_an_octave_moves_the_sounding_pitch_and_is_stated(saw: ToneSet) -> None:
    for octave in (-1, 1):
        altered = alter_tone_set(saw, replace(PLAIN, octave=octave, semitones=12 * octave))
        assert (altered.octave, altered.pitch_confidence) == (octave, 1.0)
        assert hertz(altered.by_pitch()[60][0]) == pytest.approx(261.63 * 2.0**octave, abs=2.0)


def test_a_lost_pitch_is_measured_not_hidden(saw: ToneSet) -> None:
    ring = replace(PLAIN, inharmonic=Inharmonic(1.0, 0.37, 0.0, (), np.inf))
    assert alter_tone_set(saw, ring).pitch_confidence < 0.5


def test_motion_makes_a_level_vary_and_a_drive_leaves_no_dc(saw: ToneSet) -> None:
    altered = alter_tone_set(saw, replace(PLAIN, motion=Motion("tremolo", 1.0, 4.0, 500.0), drive_db=20.0))
    assert altered.level_variation_db > 5 * saw.level_variation_db
    for tone, _ in altered.by_pitch().values():
        assert abs(np.mean(tone)) < 0.005 * np.std(tone)


def test_the_same_recipe_gives_the_same_bytes_and_an_address_of_its_own(saw: ToneSet, synth: Synth) -> None:
    recipe = replace(PLAIN, noise_db=-30.0, breath=(-20.0, 2000.0), cents=(8.0,))
    assert_same_tone_set(alter_tone_set(saw, recipe), alter_tone_set(saw, recipe))
    assert alter_tone_set(saw, recipe).sha256 != alter_tone_set(saw, replace(recipe, key=8)).sha256
    preset = synth.preset("named/bright-saw")
    presets = [preset, *(replace(preset, recipe=replace(recipe, key=key)) for key in (7, 8))]
    assert len({group_address(synth, one, SPEC) for one in presets}) == 3


def test_a_second_timbre_is_refused(saw: ToneSet) -> None:
    with pytest.raises(ValueError, match="second timbre"):
        alter_tone_set(saw, replace(PLAIN, layer=3))


def test_a_chorus_begins_without_a_thump(saw: ToneSet) -> None:
    chorus = alter_tone_set(saw, replace(PLAIN, motion=Motion("chorus", 0.5, 0.7, 500.0)))
    for pitch, (tone, _) in chorus.by_pitch().items():
        # Whole periods within the first 8 ms, where a delay line is still empty. A held sample has up to 0.9.
        period = 44_100 / (440 * 2 ** ((pitch - 69) / 12))
        begin = tone[: round(period * int(370 / period))].astype(np.float64)
        assert abs(begin.mean()) < 0.1 * np.std(tone)
