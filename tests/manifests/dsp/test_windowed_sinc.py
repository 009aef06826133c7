"""Kaiser-windowed sincs interpolate a sine between its samples."""

from __future__ import annotations

import numpy as np

from manifests.dsp.windowed_sinc import kaiser_sinc, tap_offsets

TAPS, BETA = 16, 9.0


def test_a_sine_is_read_between_its_samples() -> None:
    places = 20.0 + np.linspace(0.0, 1.0, 11)[:-1]
    offsets = tap_offsets(TAPS)
    weights = kaiser_sinc(offsets - (places - 20.0)[:, None], TAPS, BETA)
    weights /= weights.sum(axis=1, keepdims=True)
    sine = np.sin(0.3 * (20 + offsets))
    np.testing.assert_allclose(weights @ sine, np.sin(0.3 * places), atol=1e-4)
