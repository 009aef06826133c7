"""The reference and the baselines: lengths, rates, silence, and unsupported arguments."""

from __future__ import annotations

import numpy as np
import pytest

from manifests.types import Envelope, InputError
from tests.support.training.baseline_systems import RATE, SIZES, sound
from train.codec.api import Codec
from train.config import parse_config
from train.systems import build
from train.systems.base import Format


def untrained(name: str, rate: int = RATE) -> Codec:
    config = parse_config({"system": name, "steps": 1, "model": SIZES[name]}, "test")
    return Codec(build(name, config.model, Format(rate, 3.0, ("one",)), seed=4), "test")


@pytest.fixture(scope="module", params=SIZES)
def codec(request: pytest.FixtureRequest) -> Codec:
    return untrained(request.param)


@pytest.mark.parametrize(("source", "reference"), [(0.2, 3.1), (1.7, 0.2), (0.33, 0.77)])
def test_source_and_reference_may_differ_in_length(codec: Codec, source: float, reference: float) -> None:
    made = codec.convert(sound(source), sound(reference, 1))
    assert made.audio.shape == sound(source).shape
    assert np.isfinite(made.audio).all()
    bound = codec.oracle(sound(source))
    assert (bound is None) == (codec.system.name == "synthcloner")
    assert bound is None or bound.shape == sound(source).shape


@pytest.mark.parametrize("rate", [8000, 16_000, 22_050, 48_000])
@pytest.mark.parametrize("name", SIZES)
def test_datasets_of_other_rates(name: str, rate: int) -> None:
    made = untrained(name, rate).convert(sound(0.7, rate=rate), sound(0.5, 1, rate=rate))
    assert made.audio.shape == sound(0.7, rate=rate).shape


def test_silence_numeric_envelopes_and_unsupported_arguments(codec: Codec) -> None:
    silence = np.zeros(RATE, dtype=np.float32)
    for source, reference, silent in ((silence, sound(0.5), "source"), (sound(0.5), silence, "reference")):
        made = codec.convert(source, reference)
        assert np.isfinite(made.audio).all()
        assert made.doubts == (f"{silent}: digital silence; what is made of it means nothing",)
    assert codec.convert(sound(0.5), sound(0.3)).doubts == ()
    name = codec.system.name
    with pytest.raises(InputError, match=f"{name}: takes envelope and octave from recordings only"):
        codec.convert(sound(0.5), envelope=Envelope(10, 100, 0.5, 100))
    with pytest.raises(InputError, match=f"{name}: does not tell notes"):
        codec.describe(sound(0.5))
