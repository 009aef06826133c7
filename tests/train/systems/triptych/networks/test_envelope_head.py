"""The envelope head: envelopes survive its units."""

from __future__ import annotations

import pytest

from manifests.types import Envelope
from tests.support.synthetic_dataset import make_envelope
from train.nn.gain import envelope_batch
from train.systems.triptych.hearing.analysis_result import to_envelope
from train.systems.triptych.networks.envelope_head import from_units, to_units


def test_envelopes_survive_conversion_to_the_heads_units() -> None:
    envelopes = [make_envelope(2, index)[1] for index in range(8)] + [Envelope(0.0, 0.0, 0.0, 0.0)]
    back = from_units(to_units(envelope_batch(envelopes)))
    for index, envelope in enumerate(envelopes):
        actual = to_envelope(back.map(lambda value, index=index: value[index]))
        for name in ("attack_ms", "hold_ms", "decay_ms", "sustain", "release_ms"):
            assert getattr(actual, name) == pytest.approx(getattr(envelope, name), rel=1e-3, abs=1e-3)
