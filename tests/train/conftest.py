"""Fixtures of the trainer's tests: a small dataset, a finished run on it, an untrained checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest

from manifests.dataset.layout import Layout
from tests.support.synthetic_dataset import make_dataset
from tests.support.training.short_runs import run_config
from tests.support.training.tiny_codec import make_checkpoint
from train.cli.evaluate import evaluate
from train.fitting.loop import fit


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("factors")
    layout = make_dataset(folder / "set", train=(2, 2, 2), seconds=0.5)
    return make_checkpoint(folder / "codec.safetensors", layout)


@pytest.fixture(scope="session")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return make_dataset(tmp_path_factory.mktemp("data") / "set", train=(4, 2, 4), seconds=0.8)


@pytest.fixture(scope="session")
def finished(layout: Layout, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "whole"
    outcome = fit(run_config(), layout.root, out)
    assert (outcome.step, outcome.interrupted) == (6, False)
    return out


@pytest.fixture(scope="session")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """Writes a synthetic dataset with every held-out split. Read only."""
    folder = tmp_path_factory.mktemp("held_out")
    return make_dataset(folder, train=(4, 2, 2), test=(2, 2, 2), seconds=0.6, validation=0.5)


@pytest.fixture(scope="session")
def codec_checkpoint(held_out: Layout, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Writes a checkpoint of an untrained codec for that dataset."""
    return make_checkpoint(tmp_path_factory.mktemp("codec") / "tiny.safetensors", held_out)


@pytest.fixture(scope="session")
def evaluated(held_out: Layout, codec_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs `train evaluate` on that codec: one pair of each kind for two splits."""
    out = tmp_path_factory.mktemp("scores")
    splits = ["validation", "test_unseen_all"]
    evaluate(out, [str(codec_checkpoint)], str(held_out.root), splits, 1, workers=1, retake=held_out.root)
    return out
