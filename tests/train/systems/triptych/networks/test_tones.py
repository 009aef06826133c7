"""Tones of a recording: the gain is divided out, loops are found, reading is exact at a tone's own pitch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from manifests.splits.seeds import stream
from manifests.synthesis import compose
from manifests.types import Envelope, Note
from tests.support.synthetic_dataset import CUT_FADE_MS
from tests.support.training.tiny_codec import RATE
from train.nn.gain import envelope_batch, note_batch
from train.systems.triptych.networks.tone_reading import choose_tones, level_at, read_tones
from train.systems.triptych.networks.tones import PADDING, Tones, find_loop, measure_tones, pack_tones

ENVELOPE = Envelope(20.0, 100.0, 0.5, 80.0)


def beating(pitch: int, seconds: float) -> np.ndarray:
    """Makes a tone of RMS near 0.1 that no list of levels holds: a chord of detuned voices, and breath."""
    time = np.arange(round(seconds * RATE)) / RATE
    hertz = 440.0 * 2.0 ** ((pitch - 69) / 12.0)
    voices = sum(np.sin(2 * np.pi * hertz * ratio * time + ratio) for ratio in (1.0, 1.004, 1.5))
    return 0.08 * voices + 0.01 * stream(pitch, "breath").normal(size=len(time))


def tones_of(notes: tuple[Note, ...], dry: np.ndarray) -> Tones:
    """Multiplies a dry sound by the gain of notes, and takes its tones out again."""
    gain = compose.gain(notes, ENVELOPE, RATE, len(dry), CUT_FADE_MS)
    sound = torch.from_numpy((gain * dry).astype(np.float32))
    batch = note_batch([notes], RATE, len(dry))
    tones = measure_tones(sound, batch, envelope_batch([ENVELOPE]), 0.1, RATE, CUT_FADE_MS)
    assert tones is not None
    return tones


def one_tone(sound: np.ndarray) -> Tones:
    """Stores a sound as a tone of MIDI pitch 60."""
    padded = torch.nn.functional.pad(torch.from_numpy(sound.astype(np.float32)), (0, PADDING))
    return pack_tones({60.0: (padded, 1.0)}, RATE)


def read(tones: Tones, pitch: int, samples: int, start: int = 0) -> np.ndarray:
    """Reads the tone that is chosen for a pitch."""
    index, distance = choose_tones(tones, torch.tensor([float(pitch)]), RATE)
    return read_tones(tones, index, distance, torch.tensor([float(start)]), samples, RATE)[0].numpy()


def test_a_tone_at_its_own_pitch_is_what_was_played() -> None:
    half, end = RATE // 2, 3 * RATE // 2
    dry = np.concatenate([beating(60, 2.0)[:half], beating(64, 2.0)[: end - half]])
    tones = tones_of((Note(0.0, 0.5, 60, 127), Note(0.5, 1.0, 64, 127)), dry)
    assert tones.pitch_N.tolist() == [60.0, 64.0]
    for pitch, seconds in ((60, 0.45), (64, 0.9)):
        after_attack = slice(round(0.002 * RATE), round(seconds * RATE))
        played, true = read(tones, pitch, RATE)[after_attack], beating(pitch, 2.0)[after_attack]
        assert np.abs(played - true).max() < 1e-3


def test_levels_over_pitch_are_those_of_the_tones() -> None:
    dry = np.concatenate([beating(60, 1.0), 0.5 * beating(66, 1.0)])
    tones = tones_of((Note(0.0, 1.0, 60, 127), Note(1.0, 1.0, 66, 127)), dry)
    decibel = 8.686 * level_at(tones, torch.tensor([50.0, 60.0, 63.0, 66.0, 90.0]))
    np.testing.assert_allclose((decibel - decibel[0]).numpy(), [0.0, 0.0, -3.0, -6.0, -6.0], atol=0.3)


def test_moved_by_an_octave_a_tone_is_read_at_twice_the_speed() -> None:
    time = np.arange(RATE) / RATE
    tones = one_tone(0.1 * np.sin(2 * np.pi * 500.0 * time))
    inside = slice(64, RATE // 3)
    up, down = (read(tones, pitch, RATE // 2) for pitch in (72, 48))
    np.testing.assert_allclose(up[inside], 0.1 * np.sin(2 * np.pi * 1000.0 * time)[inside], atol=2e-4)
    np.testing.assert_allclose(down[inside], 0.1 * np.sin(2 * np.pi * 250.0 * time)[inside], atol=2e-4)


def test_nothing_aliases_when_a_tone_is_read_faster() -> None:
    time = np.arange(RATE) / RATE
    tones = one_tone(np.sin(2 * np.pi * 15_000.0 * time))
    assert np.sqrt(np.mean(read(tones, 72, RATE // 4)[100:] ** 2)) < 0.02  # 30 kHz cannot be played


def test_a_loop_has_no_seam_and_keeps_the_pitch() -> None:
    """A decaying spectrum with a pitch between samples: the loop joins whole periods."""
    time = np.arange(RATE // 2) / RATE
    saw = sum(np.sin(2 * np.pi * 311.13 * k * time) / k for k in range(1, 30))
    long = read(one_tone(0.06 * saw), 60, 3 * RATE)
    steps = np.abs(np.diff(long))
    assert steps[RATE // 2 :].max() < 1.1 * steps[: RATE // 2].max()
    spectrum = np.abs(np.fft.rfft(long[RATE:] * np.hanning(2 * RATE)))
    peak = np.fft.rfftfreq(2 * RATE, 1.0 / RATE)[spectrum.argmax()]
    assert 1200.0 * abs(np.log2(peak / 311.13)) < 3.0


def test_a_row_that_begins_later_is_part_of_the_whole() -> None:
    tones = tones_of((Note(0.0, 0.5, 60, 127),), beating(60, 0.5))
    whole = read(tones, 65, 2 * RATE)
    np.testing.assert_array_equal(read(tones, 65, RATE, start=20_480), whole[20_480 : 20_480 + RATE])


def test_the_course_from_the_onset_is_kept_for_longer_and_shorter_notes() -> None:
    """A tone that gets duller: its begin sounds once, and a longer note goes on with its end."""
    time = np.arange(RATE) / RATE
    bright = np.exp(-time / 0.05)
    tone = 0.1 * np.sin(2 * np.pi * 261.6 * time) + 0.1 * bright * np.sin(2 * np.pi * 2616.0 * time)
    long = read(tones_of((Note(0.0, 1.0, 60, 127),), tone), 60, 3 * RATE)

    def brightness(part: np.ndarray) -> float:
        spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part))))
        hertz = np.fft.rfftfreq(len(part), 1.0 / RATE)
        return float(spectrum[hertz > 2000.0].max() / spectrum[hertz < 500.0].max())

    first, later = (
        brightness(long[1000:3000]),
        [brightness(long[at : at + 4000]) for at in range(RATE, 2 * RATE, 4000)],
    )
    assert first > 0.3
    assert max(later) < 0.02


def test_quiet_short_and_absent_notes_have_no_tone() -> None:
    batch = note_batch([(Note(0.0, 0.01, 60, 127), Note(0.5, 0.4, 62, 127))], RATE, RATE)
    silent = torch.zeros(RATE)
    assert measure_tones(silent, batch, envelope_batch([ENVELOPE]), 0.1, RATE, CUT_FADE_MS) is None


@pytest.mark.parametrize("length", [1400, 3000, 20_000])
def test_loops_of_short_tones_lie_within_them(length: int) -> None:
    noise = stream(length, "noise").normal(scale=3000.0, size=length).astype(np.int16)
    assert 1 <= find_loop(noise, RATE) <= length
