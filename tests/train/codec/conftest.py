"""Fixtures of the codec tests: an untrained codec, and the checkpoint that a release is made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from manifests.dataset.bank import Bank
from tests.support.training.tiny_codec import make_checkpoint
from train.codec.api import Codec, load_codec


@pytest.fixture(scope="module")
def release_checkpoint(banked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("weights") / "best.safetensors", Bank(banked / "tones"))


@pytest.fixture(scope="module")
def codec(checkpoint: Path) -> Codec:
    return load_codec(checkpoint)
