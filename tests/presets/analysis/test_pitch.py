"""Which octave sounds, how flat a level is, how alike two timbres are: on sounds whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from presets.analysis.levels import flattest_window, without_rumble
from presets.analysis.pitch import frequency, octave_of_tone, vote
from presets.analysis.similarity import alike, distance_db, fingerprint, sounds_alike

RATE = 44100
NOTES = list(range(48, 80, 3))
TIME = np.arange(RATE) / RATE


def hertz(note: float) -> float:
    return float(440.0 * 2.0 ** ((note - 69.0) / 12.0))


def harmonic(hz: float, amplitudes: list[float]) -> np.ndarray:
    return sum(
        a * np.sin(2 * np.pi * hz * (i + 1) * TIME + i * i)
        for i, a in enumerate(amplitudes)
        if hz * (i + 1) < 20000
    ).astype(np.float32)


SAW = [1 / (i + 1) for i in range(40)]
SPECTRA = {
    "sine": [1.0],
    "saw": SAW,
    "hollow": [a if i % 2 == 0 else 0.0 for i, a in enumerate(SAW)],
    "loud third partial": [0.5, 0.3, 1.0, 0.2, 0.1],
    "missing fundamental": [0.0, 0.7, 0.7, 0.7, 0.7],
}


@pytest.mark.parametrize("spectrum", SPECTRA.values(), ids=SPECTRA.keys())
@pytest.mark.parametrize("octave", [-2, -1, 0, 1, 2])
def test_the_octave_is_that_of_the_repeating_waveform(spectrum: list[float], octave: int) -> None:
    tones = [harmonic(hertz(note + 12 * octave), spectrum) for note in NOTES]
    assert vote(tones, NOTES, RATE) == (octave, 1.0)


@pytest.mark.parametrize("note", [24.0, 60.0, 84.3, 108.0, 119.0])
def test_the_frequency_is_right_to_a_tenth_of_a_semitone(note: float) -> None:
    heard = frequency(harmonic(hertz(note), SAW), RATE)
    assert heard is not None
    assert abs(12 * np.log2(heard / hertz(note))) < 0.1


@pytest.mark.parametrize("interval", [7, 5, 4, 1])
def test_another_interval_than_an_octave_is_unpitched(interval: int) -> None:
    assert octave_of_tone(harmonic(hertz(60 + interval), SAW), RATE, 60) is None


def test_noise_and_silence_have_no_pitch() -> None:
    noise = np.random.default_rng(1).standard_normal(RATE).astype(np.float32)
    assert frequency(noise, RATE) is None
    assert vote([noise] * 5, NOTES[:5], RATE) == (0, 0.0)
    assert frequency(np.zeros(RATE, dtype=np.float32), RATE) is None


def test_a_tone_under_noise_keeps_its_pitch() -> None:
    noise = np.random.default_rng(1).standard_normal(RATE).astype(np.float32)
    assert octave_of_tone(harmonic(hertz(60), SAW) + 0.15 * noise, RATE, 60) == 0


def test_the_confidence_is_the_share_that_agrees() -> None:
    tones = [harmonic(hertz(note if i < 8 else note + 12), SAW) for i, note in enumerate(NOTES)]
    octave, confidence = vote(tones, NOTES, RATE)
    assert octave == 0
    assert confidence == pytest.approx(8 / len(NOTES))


def test_the_window_avoids_a_swell() -> None:
    tone = np.concatenate(
        [harmonic(hertz(60), [1.0]) * np.linspace(0.2, 1.0, RATE), harmonic(hertz(60), [1.0])]
    )
    start, deviation = flattest_window(tone.astype(np.float32), RATE, int(0.9 * RATE))
    assert start >= 0.99 * RATE
    assert deviation < 0.1


def test_the_deviation_is_that_of_the_level() -> None:
    # A level that swings by 3 dB about its mean has a standard deviation of 3 / sqrt(2) dB.
    swing = 10.0 ** (3.0 * np.sin(2 * np.pi * 2 * TIME) / 20.0)
    tone = (harmonic(hertz(84), [1.0]) * swing).astype(np.float32)
    _, deviation = flattest_window(tone, RATE, RATE)
    assert deviation == pytest.approx(3.0 / np.sqrt(2.0), rel=0.05)


def test_alike_ignores_level_and_tells_spectra_apart() -> None:
    prints = [
        fingerprint([scale * harmonic(hertz(note), spectrum) for note in NOTES], RATE)
        for scale, spectrum in ((1.0, SAW), (0.25, SAW), (1.0, SPECTRA["hollow"]), (1.0, [1.0]))
    ]
    assert distance_db(prints[0], prints[1]) < 0.01
    assert sounds_alike(prints[0], prints[1])
    expected = np.eye(4, dtype=bool)
    expected[0, 1] = expected[1, 0] = True
    np.testing.assert_array_equal(alike(np.array(prints)), expected)


def test_rumble_goes_and_the_note_stays() -> None:
    note = harmonic(hertz(36), [1.0])
    drift = 0.5 + 0.3 * np.sin(2 * np.pi * 0.7 * TIME)
    kept = without_rumble((note + drift).astype(np.float32), RATE)
    assert np.abs(kept - note)[RATE // 10 : -RATE // 10].max() < 0.03
