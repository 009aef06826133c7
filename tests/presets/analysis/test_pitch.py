"""Pitch: frequency and octave of tones whose pitch is known."""

from __future__ import annotations

import numpy as np
import pytest

from manifests.synthesis.pitch import frequency
from presets.analysis.pitch import detect_octave, vote_octave
from tests.support.presets.harmonic_tones import NOTES, RATE, SAW, SPECTRA, harmonic, hertz


@pytest.mark.parametrize("spectrum", SPECTRA.values(), ids=SPECTRA.keys())
@pytest.mark.parametrize("octave", [-2, -1, 0, 1, 2])
def test_the_octave_is_that_of_the_repeating_waveform(spectrum: list[float], octave: int) -> None:
    tones = [harmonic(hertz(note + 12 * octave), spectrum) for note in NOTES]
    assert vote_octave(tones, NOTES, RATE) == (octave, 1.0)


@pytest.mark.parametrize("note", [24.0, 60.0, 84.3, 108.0, 119.0])
def test_the_frequency_is_right_to_a_tenth_of_a_semitone(note: float) -> None:
    estimated = frequency(harmonic(hertz(note), SAW), RATE)
    assert estimated is not None
    assert abs(12 * np.log2(estimated / hertz(note))) < 0.1


@pytest.mark.parametrize("interval", [7, 5, 4, 1])
def test_an_interval_other_than_an_octave_counts_as_unpitched(interval: int) -> None:
    assert detect_octave(harmonic(hertz(60 + interval), SAW), RATE, 60) is None


def test_noise_and_silence_have_no_pitch() -> None:
    noise = np.random.default_rng(1).standard_normal(RATE).astype(np.float32)
    assert frequency(noise, RATE) is None
    assert vote_octave([noise] * 5, NOTES[:5], RATE) == (0, 0.0)
    assert frequency(np.zeros(RATE, dtype=np.float32), RATE) is None


def test_a_tone_under_noise_keeps_its_pitch() -> None:
    noise = np.random.default_rng(1).standard_normal(RATE).astype(np.float32)
    assert detect_octave(harmonic(hertz(60), SAW) + 0.15 * noise, RATE, 60) == 0


def test_the_confidence_is_the_share_of_agreeing_tones() -> None:
    tones = [harmonic(hertz(note if i < 8 else note + 12), SAW) for i, note in enumerate(NOTES)]
    octave, confidence = vote_octave(tones, NOTES, RATE)
    assert octave == 0
    assert confidence == pytest.approx(8 / len(NOTES))
