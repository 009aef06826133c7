"""Envelope maps: milliseconds become plugin parameters and back."""

from __future__ import annotations

import numpy as np
import pytest

from manifests.types import Envelope, InputError
from presets.synths.envelope_map import TableLaw
from presets.synths.profile import load_profile


@pytest.mark.parametrize("name", ["amsynth", "builtin"])
def test_an_envelope_in_ms_becomes_parameters_and_back(name: str) -> None:
    profile = load_profile(name)
    assert profile.envelope is not None
    envelope = Envelope(attack_ms=12.5, decay_ms=250.0, sustain=0.4, release_ms=80.0)
    values = profile.envelope.parameter_values(envelope, profile.parameters)
    for field, stage in profile.envelope.stages().items():
        low, high, _ = profile.parameters[stage.parameter]
        assert low <= values[stage.parameter] <= high
        if field != "hold_ms":
            assert stage.curve.to_ms(values[stage.parameter]) == pytest.approx(getattr(envelope, field))


def test_amsynths_envelope_law_follows_its_source() -> None:
    envelope = load_profile("amsynth").envelope
    assert envelope is not None
    assert envelope.attack.curve.to_ms(0.5) == pytest.approx(125.5)
    assert envelope.release.curve.to_parameter(1000.5) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("envelope", "message"),
    [
        (Envelope(5, 5, 1, 5, hold_ms=10), "no hold"),
        (Envelope(20_000, 5, 1, 5), r"attack_ms 20000: this synth reaches at most 15625\.5"),
        (Envelope(5, 5, 1, 5, curve="exponential"), "linear"),
    ],
)
def test_an_envelope_that_a_synth_cannot_play_is_refused(envelope: Envelope, message: str) -> None:
    profile = load_profile("amsynth")
    assert profile.envelope is not None
    with pytest.raises(InputError, match=message):
        profile.envelope.parameter_values(envelope, profile.parameters)


def test_times_below_the_synths_minimum_become_its_minimum() -> None:
    profile = load_profile("amsynth")
    assert profile.envelope is not None
    assert profile.envelope.parameter_values(Envelope(0, 0, 1, 0), profile.parameters)["amp_attack"] == 0.0


def test_a_measured_table_inverts() -> None:
    values = np.linspace(0.0, 2.5, 9)
    table = TableLaw(kind="table", between="cubic", points=tuple((v, 1000 * v**3) for v in values.tolist()))
    for ms in (0.3, 40.0, 700.0, 9000.0):
        assert table.to_ms(table.to_parameter(ms)) == pytest.approx(ms)
        assert table.to_parameter(ms) == pytest.approx((ms / 1000) ** (1 / 3))
    with pytest.raises(ValueError, match="rise"):
        TableLaw(kind="table", points=((0.0, 1.0), (1.0, 1.0)))
