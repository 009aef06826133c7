"""Spectral metrics against closed forms and against torch's STFT."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from manifests.splits.seeds import stream
from manifests.types import InputError
from tests.support.sounds import RATE, sine
from train.metrics import METRICS, fit_length, magnitude, matching_gain, score, spectral_features


def noise(level: float, seconds: float = 1.0, index: int = 0) -> np.ndarray:
    """Returns uniform white noise with an RMS of `level`."""
    return (stream(7, "noise", index).random(int(seconds * RATE)) - 0.5) * np.sqrt(12.0) * level


def scores(estimate: np.ndarray, target: np.ndarray) -> dict[str, float]:
    return score(spectral_features(estimate), spectral_features(target))


def test_equal_sounds_score_zero_on_every_metric() -> None:
    assert set(scores(noise(0.1), noise(0.1)).values()) == {0.0}


def test_a_known_gain_has_its_error_and_none_when_level_matched() -> None:
    loud, gain = noise(0.2), 10 ** (-6 / 20)
    got = scores(gain * loud, loud)
    # every magnitude is far above the low floors: each bin differs by 6 dB, log10 of the square by 0.6
    linear = sum((1 - gain) * magnitude(loud, window).mean() for window in (2048, 512))
    assert got["mstft"] == pytest.approx(2 * 0.6 + linear, rel=1e-4)
    assert got["mstft_floored"] == pytest.approx(2 * 0.6 + linear, rel=1e-3)
    assert got["lrmsd"] == pytest.approx(np.log(10) * 6 / 20, rel=1e-5)
    assert all(got[m.name] == pytest.approx(0.0, abs=1e-9) for m in METRICS if m.matched)


def test_noise_below_the_floor_counts_only_in_the_reference_definition() -> None:
    sound = np.concatenate([sine(440.0), np.zeros(RATE)])
    # Hann-windowed noise of RMS r has magnitudes of about r * sqrt(0.375 * window)
    hiss = noise(1e-5, 2.0)
    got = scores(sound + hiss, sound)
    assert got["mstft"] > 1.0
    assert got["mstft_floored"] < 0.15
    assert got["mstft_floored_high"] < 0.01
    assert got["lrmsd"] > 3.0
    assert got["lrmsd_floored"] == pytest.approx(0.5 * np.log(1.01), rel=0.1)


def test_silence_against_a_tone_is_its_level_over_epsilon() -> None:
    steady = np.full(RATE, 0.25)
    got = scores(np.zeros(RATE), steady)
    inner = np.log((0.25 + 1e-3) / 1e-3)
    assert got["lrmsd_floored"] == pytest.approx(inner, rel=0.01)
    assert got["lrmsd_floored_matched"] == got["lrmsd_floored"], "silence has no level to match"


def test_a_mean_of_silence_and_silence_is_zero() -> None:
    assert set(scores(np.zeros(RATE), np.zeros(RATE)).values()) == {0.0}


def test_a_sine_has_the_magnitude_that_the_floor_refers_to() -> None:
    cycles = 100 * RATE / 2048
    peak = magnitude(sine(cycles), 2048)[20].max()
    assert peak == pytest.approx(0.5 * 2048 / 4, rel=1e-6), "amplitude / 2 times the sum of the window"


def test_agrees_with_torch_stft() -> None:
    actual, sound = magnitude(noise(0.1), 512), torch.from_numpy(noise(0.1))
    window = torch.hann_window(512, dtype=torch.float64)
    expected = torch.stft(sound, 512, 128, window=window, center=True, return_complex=True).abs().T.numpy()
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, atol=1e-10)


def test_a_delay_counts_in_the_level_curve() -> None:
    gate = np.concatenate([np.zeros(RATE // 2), np.full(RATE // 2, 0.5)])
    late = np.concatenate([np.zeros(RATE // 2 + 512 * 4), gate[RATE // 2 : -512 * 4]])
    got = scores(late, gate)["lrmsd_floored"]
    frames = 1 + RATE // 512
    # Four frames are silent that should sound, and both slopes count partly.
    assert got == pytest.approx(4 * np.log(501) / frames, rel=0.25)


def test_estimates_are_fitted_to_the_targets_length() -> None:
    assert len(fit_length(np.ones(10), 4)) == 4
    np.testing.assert_array_equal(fit_length(np.ones(2), 4), [1, 1, 0, 0])
    with pytest.raises(ValueError, match="estimate of 10 samples"):
        score(spectral_features(np.ones(10)), spectral_features(np.ones(11)))


@pytest.mark.parametrize("samples", [1, 100, 1024, 2047, 2048])
def test_sounds_shorter_than_a_window_are_scored(samples: int) -> None:
    got = scores(np.zeros(samples), np.full(samples, 0.5))
    assert all(np.isfinite(value) and value > 0 for value in got.values())


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros(0), "x.wav: holds no samples"),
        (np.zeros((5, 2)), "x.wav: expected mono"),
        (np.array([0.0, np.nan, np.inf]), "x.wav: 2 of 3 samples are not finite"),
    ],
)
def test_unscorable_audio_is_refused_by_name(bad: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        spectral_features(bad, "x.wav")


def test_level_matching_is_by_rms() -> None:
    assert matching_gain(spectral_features(noise(0.05)), spectral_features(noise(0.1))) == pytest.approx(2.0)
