"""Fixtures of the Triptych tests: an untrained system and a codec around it."""

from __future__ import annotations

import pytest

from tests.support.training.tiny_codec import make_system
from train.codec.api import Codec
from train.systems.triptych.system import Triptych


@pytest.fixture(scope="module")
def system() -> Triptych:
    return make_system()


@pytest.fixture(scope="module")
def codec(system: Triptych) -> Codec:
    return Codec(system, "test")
