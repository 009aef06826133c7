"""Kaiser-windowed sincs interpolate a sine between its samples."""

from __future__ import annotations

import numpy as np
import pytest

from manifests.dsp.windowed_sinc import kaiser_sinc, shift_weights, tap_offsets

TAPS, BETA = 16, 9.0


def test_a_sine_is_read_between_its_samples() -> None:
    places = 20.0 + np.linspace(0.0, 1.0, 11)[:-1]
    offsets = tap_offsets(TAPS)
    weights = kaiser_sinc(offsets - (places - 20.0)[:, None], TAPS, BETA)
    weights /= weights.sum(axis=1, keepdims=True)
    sine = np.sin(0.3 * (20 + offsets))
    np.testing.assert_allclose(weights @ sine, np.sin(0.3 * places), atol=1e-4)


def shifted(hertz: float, semitones: float) -> np.ndarray:
    """Reads a sine `semitones` higher: float64 [20000], without its start."""
    sine = np.sin(2 * np.pi * hertz / 44_100 * np.arange(200_000))
    first, weights = shift_weights(20_400, semitones)
    windows = np.lib.stride_tricks.sliding_window_view(sine, weights.shape[1])
    return np.asarray(np.einsum("ij,ij->i", windows[np.maximum(first, 0)], weights))[400:]


@pytest.mark.parametrize("semitones", [-24.0, -0.08, 5.0, 12.0, 19.0, 24.0])
def test_what_is_read_faster_keeps_its_level_and_aliases_little(semitones: float) -> None:
    ratio = 2.0 ** (semitones / 12.0)
    below = shifted(0.4 * 22_050 / max(ratio, 1.0), semitones)
    assert 20 * np.log10(np.std(below) * np.sqrt(2)) == pytest.approx(0.0, abs=0.6)
    turns = np.fft.rfft(below * np.hanning(len(below)))
    hertz = float(np.abs(turns).argmax()) * 44_100 / len(below)
    assert hertz == pytest.approx(0.4 * 22_050 * min(ratio, 1.0), abs=3.0)
    if ratio >= 2.0:
        above = shifted(1.5 * 22_050 / ratio, semitones)
        assert 20 * np.log10(np.std(above) * np.sqrt(2)) < -35.0
