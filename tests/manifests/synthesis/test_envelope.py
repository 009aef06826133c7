"""The gain curve: segment times and levels are exactly those of the envelope."""

from __future__ import annotations

import numpy as np

from manifests.synthesis.envelope import gain_curve
from manifests.types import CURVES, Envelope


def test_segments_reach_their_targets_at_exactly_the_stated_times() -> None:
    for curve in CURVES:
        envelope = Envelope(attack_ms=20, hold_ms=10, decay_ms=50, sustain=0.25, release_ms=40, curve=curve)
        times = [0.0, 20.0, 30.0, 80.0, 199.999, 240.0]
        np.testing.assert_allclose(
            gain_curve(envelope, 200.0, times), [0.0, 1.0, 1.0, 0.25, 0.25, 0.0], atol=1e-12
        )


def test_release_starts_from_the_level_at_note_off() -> None:
    envelope = Envelope(attack_ms=100, decay_ms=100, sustain=0.5, release_ms=100)
    np.testing.assert_allclose(gain_curve(envelope, 50.0, [50.0, 100.0, 150.0]), [0.5, 0.25, 0.0])


def test_linear_exponential_has_a_linear_attack_and_exponential_falls() -> None:
    times = np.linspace(0.0, 450.0, 91)
    mixed, linear, exponential = (
        gain_curve(Envelope(50, 100, 0.25, 100, 20, curve), 300.0, times)
        for curve in ("linear_exponential", "linear", "exponential")
    )
    in_attack = times <= 50.0
    np.testing.assert_array_equal(mixed[in_attack], linear[in_attack])
    np.testing.assert_array_equal(mixed[~in_attack], exponential[~in_attack])
    assert np.abs(mixed - linear).max() > 0.1
    assert np.abs(mixed - exponential).max() > 0.1
