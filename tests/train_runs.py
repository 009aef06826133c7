"""What the tests of training share: a tiny codec's run of few steps, and when two checkpoints are equal."""

from __future__ import annotations

from pathlib import Path

import torch

from tests.train_codec import SIZES
from train.checkpoint import read_weights
from train.config import RunConfig, parse_config

SETTINGS = {
    "seed": 3, "steps": 6, "batch": 4, "save_every": 3, "judge_every": 3, "judge_pairs": 1,
    "data": {"pool_blocks": 2},
    "model": {**SIZES, "note_seconds": 0.2, "adversarial_from": 0.5},
}  # fmt: skip


def settings(**changes: object) -> RunConfig:
    """The run's config, some of its settings replaced."""
    return parse_config({**SETTINGS, **changes}, "test")


def equal(ours: Path, theirs: Path) -> bool:
    """Whether two checkpoints hold the same weights, bit for bit."""
    a, b = read_weights(ours)[0], read_weights(theirs)[0]
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
