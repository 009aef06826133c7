"""Samples of a timbre: their loops and their tuning."""

from __future__ import annotations

import numpy as np
import pytest

from manifests.splits.seeds import stream
from manifests.types import InputError
from tests.support.clicks import clicks_inside
from train.codec.api import Codec
from train.instrument.samples import CROSSFADE_S, PEAK, even_level, loop_tone, measure_cents, sample_timbre
from train.systems.base import Audio, Factors

RATE = 44_100
TIME = np.arange(round(2.4 * RATE)) / RATE


def repeated(looped: Audio, loop: int, times: int) -> Audio:
    return np.concatenate([looped, *[looped[-loop:]] * times])


def level_db(sound: Audio) -> np.ndarray:
    frames = sound[: len(sound) // 2205 * 2205].reshape(-1, 2205).astype(np.float64)
    return 10.0 * np.log10(np.mean(frames**2, axis=1))


@pytest.mark.parametrize("hertz", [65.41, 220.0, 1318.5])
def test_a_loop_of_a_steady_tone_is_as_steady(hertz: float) -> None:
    tone = sum(np.sin(2 * np.pi * k * hertz * TIME) / k for k in (1, 2, 3)).astype(np.float32) * 0.3
    looped, loop = loop_tone(tone, RATE)
    sound = repeated(looped, loop, 8)
    assert clicks_inside(sound) == []
    assert np.ptp(level_db(sound)) < np.ptp(level_db(tone)) + 0.1


def test_a_loop_of_noise_keeps_its_level() -> None:
    noise = stream(3, "noise", 0).standard_normal(len(TIME)).astype(np.float32) * 0.1
    looped, _ = loop_tone(noise, RATE)
    faded = looped[-round(CROSSFADE_S * RATE) :]
    assert np.sqrt(np.mean(faded**2)) == pytest.approx(0.1, rel=0.05)


def test_slow_changes_of_level_are_removed_but_not_the_onset_nor_tremolo() -> None:
    carrier = 0.3 * np.sin(2 * np.pi * 440.0 * TIME)
    falling = (carrier * 10.0 ** (-0.15 * TIME)).astype(np.float32)
    even = even_level(falling, RATE)
    assert np.ptp(level_db(even)[8:-1]) < 0.2
    assert np.array_equal(even[:6000], falling[:6000])
    tremolo = (carrier * (1.0 + 0.4 * np.sin(2 * np.pi * 25.0 * TIME))).astype(np.float32)
    assert np.abs(even_level(tremolo, RATE)[9000:-9000]).max() > 0.35


@pytest.mark.parametrize("cents", [-31.0, 0.0, 12.5])
def test_pitch_is_measured(cents: float) -> None:
    hertz = 440.0 * 2.0 ** ((60 - 69 + cents / 100.0) / 12.0)
    tone = np.sin(2 * np.pi * hertz * TIME) + 0.5 * np.sin(4 * np.pi * hertz * TIME)
    fifth = tone + 0.8 * np.sin(3 * np.pi * hertz * TIME)
    assert measure_cents(tone.astype(np.float32), 60, RATE) == pytest.approx(cents, abs=0.5)
    assert measure_cents(fifth.astype(np.float32), 60, RATE) == pytest.approx(cents, abs=0.5)


def test_noise_has_no_pitch() -> None:
    noise = stream(3, "noise", 1).standard_normal(len(TIME)).astype(np.float32)
    bell = np.sin(2 * np.pi * 733.0 * TIME).astype(np.float32)
    assert measure_cents(bell, 60, RATE) is None
    assert measure_cents(0.0 * noise, 60, RATE) is None


def test_samples_cover_the_range_once(codec: Codec, sine: Factors) -> None:
    samples = sample_timbre(codec, sine, 50, 60)
    assert [sample.pitch for sample in samples] == [51, 54, 57, 60]
    assert [key for sample in samples for key in range(sample.low, sample.high + 1)] == list(range(50, 61))
    assert max(float(np.abs(sample.audio_W).max()) for sample in samples) == pytest.approx(PEAK, rel=1e-6)
    (single,) = sample_timbre(codec, sine, 60, 60)
    assert (single.pitch, single.low, single.high) == (60, 60, 60)
    with pytest.raises(InputError, match=r"range 61\.\.60: expected"):
        sample_timbre(codec, sine, 61, 60)
