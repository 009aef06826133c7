"""The envelope that samplers get: 90% of each segment at the right time."""

from __future__ import annotations

import numpy as np
import pytest

from manifests.synthesis.envelope import gain_curve
from manifests.types import CURVES, Curve, Envelope, InputError
from train.instrument.sampler_envelope import STEEPEST, fit_envelope


@pytest.mark.parametrize("curve", CURVES)
def test_each_segment_has_covered_nine_tenths_of_its_way_when_ours_has(curve: Curve) -> None:
    envelope = Envelope(40.0, 250.0, 0.4, 200.0, 30.0, curve)
    fitted = fit_envelope(envelope)
    time = np.arange(0.0, 1000.0, 0.01)
    ours = gain_curve(envelope, 600.0, time)
    rise = time[ours >= 0.9][0] / 1000.0
    assert fitted.attack_s * 0.9 == pytest.approx(rise, abs=2e-5)
    assert fitted.attack_s + fitted.hold_s == pytest.approx(0.07)
    falls = time[(time > 70.0) & (ours <= 0.46)][0] / 1000.0 - 0.07
    assert 10 ** (-fitted.decay * falls / 20.0) == pytest.approx(0.46, abs=1e-3)
    released = time[(time > 600.0) & (ours <= 0.04)][0] / 1000.0 - 0.6
    assert fitted.release * released == pytest.approx(20.0, abs=0.01)
    assert fitted.sustain == 0.4


def test_envelopes_at_the_limits() -> None:
    instant = fit_envelope(Envelope(0.0, 0.0, 1.0, 0.0))
    assert (instant.attack_s, instant.hold_s, instant.decay) == (0.0, 0.0, STEEPEST)
    assert fit_envelope(Envelope(0.0, 100.0, 0.0, 10.0)).sustain == 1e-4
    with pytest.raises(InputError, match="envelope release_ms: falls by"):
        fit_envelope(Envelope(0.0, 100.0, 0.5, 60_000.0))
