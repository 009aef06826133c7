"""Fixtures of the end-to-end tests: the demo's dataset and its training, an untrained checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.support import commands
from tests.support.paths import CONFIGS, TRAIN_CONFIGS
from tests.support.synthetic_dataset import make_dataset
from tests.support.training.tiny_codec import make_checkpoint


@pytest.fixture(scope="session")
def demo_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Renders the demo's dataset. It takes a minute on two cores: for `make verify` only. Read only."""
    folder = tmp_path_factory.mktemp("demo") / "dataset"
    commands.succeed("render", "make", CONFIGS / "demo.yaml", "--out", folder)
    return folder


@pytest.fixture(scope="session")
def demo_run(demo_data: Path) -> Path:
    """Trains the demo by steps instead of minutes, so that slow machines train as long. For `make verify`."""
    config = yaml.safe_load((TRAIN_CONFIGS / "demo.yaml").read_text())
    del config["minutes"]
    path = demo_data.parent / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    commands.succeed("train", "fit", path, "--data", demo_data, "--out", demo_data.parent / "run")
    return demo_data.parent / "run"


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a very small, untrained codec."""
    folder = tmp_path_factory.mktemp("checkpoint")
    layout = make_dataset(folder / "set", train=(2, 2, 2), seconds=0.5)
    return make_checkpoint(folder / "codec.safetensors", layout)
