"""One-shot tones: correct pitch, no aliasing, seamless loops; and a dataset made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from manifests.splits.seeds import stream
from presets.tones.one_shot import make_loop, resample_loop
from tests.support import commands, datasets

RATE = 44_100
FRAMES = 3 * RATE


def harmonics(frequency: float, detune: float = 0.0) -> np.ndarray:
    """Returns one second of a bright tone: harmonics up to 20 kHz, some mistuned where detuned."""
    time = np.arange(RATE) / RATE
    phases = stream(1, "phases", int(frequency)).random(400) * 2 * np.pi
    sound = np.zeros(RATE)
    for k in range(1, int(20_000 / frequency)):
        sound += np.sin(2 * np.pi * frequency * k * (1 + detune * (k % 2)) * time + phases[k]) / k
    return (0.1 * sound).astype(np.float32)


def spectrum(sound: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns frequencies in Hz and levels in dB re the loudest."""
    levels = np.abs(np.fft.rfft(sound * np.blackman(len(sound))))
    return np.fft.rfftfreq(len(sound), 1 / RATE), 20 * np.log10(levels / levels.max() + 1e-12)


@pytest.mark.parametrize("frequency", [110.3, 261.63, 523.7])
@pytest.mark.parametrize("semitones", [-16, -7, 0, 5, 12, 16])
def test_a_shifted_tone_has_its_pitch_and_no_alias_above_minus_60_db(
    frequency: float, semitones: int
) -> None:
    ratio = 2 ** (semitones / 12)
    shifted = resample_loop(make_loop(harmonics(frequency), RATE), ratio, FRAMES, RATE).astype(np.float64)
    at, level = spectrum(shifted)
    target_hz = frequency * ratio
    off = np.abs(at - np.round(at / target_hz) * target_hz) > 8.0 + 5e-4 * at
    assert level[off].max() < -80.0
    first = int(np.argmax(np.where(np.abs(at - target_hz) < 0.1 * target_hz, level, -200.0)))
    left, middle, right = level[first - 1 : first + 2]
    peak = first + 0.5 * (left - right) / (left - 2 * middle + right)
    assert abs(1200 * np.log2(peak * RATE / FRAMES / target_hz)) < 1.0


def test_naive_shifting_fails_the_alias_test() -> None:
    crop, ratio = harmonics(523.7), 2 ** (16 / 12)
    places = np.arange(int(RATE / ratio)) * ratio
    at, level = spectrum(np.interp(places, np.arange(RATE), crop))
    target_hz = 523.7 * ratio
    off = np.abs(at - np.round(at / target_hz) * target_hz) > 12.0 + 5e-4 * at
    assert level[off].max() > -60.0


def roughness(sound: np.ndarray) -> float:
    """Returns the largest second difference over its 99.9th percentile: a step stands out."""
    second = np.abs(np.diff(np.asarray(sound, dtype=np.float64), 2))
    return float(second.max() / np.quantile(second, 0.999))


@pytest.mark.parametrize(("frequency", "detune"), [(110.3, 0.0), (261.63, 0.002), (523.7, 0.004)])
def test_the_loop_has_no_seam(frequency: float, detune: float) -> None:
    loop = make_loop(harmonics(frequency, detune), RATE)
    around = np.concatenate([loop[-2000:], loop[:2000]])
    assert roughness(resample_loop(loop, 1.0, FRAMES, RATE)) < 1.3
    # The level at the seam equals that of the rest: no dip in the crossfade.
    whole, seam = np.sqrt(np.mean(loop**2)), np.sqrt(np.mean(around**2))
    assert abs(20 * np.log10(seam / whole)) < 3.0


def test_a_crude_loop_fails_the_seam_test() -> None:
    tone = (0.1 * np.sin(2 * np.pi * 110.3 * np.arange(RATE) / RATE)).astype(np.float32)
    assert roughness(resample_loop(make_loop(tone, RATE), 1.0, FRAMES, RATE)) < 1.3
    assert roughness(np.tile(tone[:30_037], 4)) > 10.0


def test_noise_loops_at_an_even_level() -> None:
    noise = (0.1 * (stream(1, "noise").random(RATE) - 0.5)).astype(np.float32)
    loop = make_loop(noise, RATE)
    fade = int(0.05 * RATE)
    assert abs(20 * np.log10(np.std(loop[:fade]) / np.std(loop[fade:]))) < 1.0


def test_a_dataset_of_one_shots_passes_its_audit_and_repeats(tmp_path: Path) -> None:
    config = datasets.write_config(tmp_path, pitching="one_shot")
    commands.succeed("render", "make", config, "--out", tmp_path / "one")
    commands.succeed("render", "make", config, "--out", tmp_path / "two", "--workers", "2")
    assert datasets.file_hashes(tmp_path / "one") == datasets.file_hashes(tmp_path / "two")
    commands.succeed("manifests", "audit", tmp_path / "one", "--deep")
    timbres = pd.read_parquet(tmp_path / "one" / "timbres.parquet")
    assert (timbres["pitch_confidence"] >= 0.75).all()
