"""The estimator's linear model: a batch of envelopes predicts what each does alone."""

from __future__ import annotations

import numpy as np
import pytest

from manifests.estimation.model import measure, predicted, predictions
from manifests.splits.seeds import stream
from manifests.synthesis.envelope import Envelopes
from manifests.types import CURVES, Curve, Envelope
from tests.support.envelope_cases import CUT_MS, RATE, random_case


@pytest.mark.parametrize("curve", CURVES)
def test_a_batch_of_envelopes_predicts_what_each_predicts_alone(curve: Curve) -> None:
    _, notes, sound = random_case(5)
    measured = measure(sound, notes, RATE, CUT_MS, 2.0)
    draws = 1e-3 + stream(1, "envelopes").random((8, 5)) * [200.0, 100.0, 300.0, 0.9, 200.0]
    together = predictions(measured.places, measured.power, Envelopes.of(draws, curve))
    for (attack, hold, decay, sustain, release), prediction in zip(draws, together, strict=True):
        envelope = Envelope(attack, decay, sustain, release, hold, curve)
        np.testing.assert_array_equal(prediction, predicted(measured, envelope))
