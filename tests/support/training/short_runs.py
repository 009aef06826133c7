"""Training runs of a few steps with a tiny codec, and a comparison of checkpoints."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import torch

from tests.support.training.tiny_codec import SIZES
from train.checkpoint import read_weights
from train.config import RunConfig, parse_config
from train.data.loader import Loader
from train.data.shards import ShardSource
from train.data.tables import Tables
from train.systems.base import System

SETTINGS = {
    "seed": 3, "steps": 6, "batch": 4, "save_every": 3, "validate_every": 3, "validation_pairs": 1,
    "data": {"pool_blocks": 2},
    "model": {**SIZES, "note_seconds": 0.2, "adversarial_from": 0.5},
}  # fmt: skip


def run_config(**changes: object) -> RunConfig:
    """Returns the run's config with some settings replaced."""
    return parse_config({**SETTINGS, **changes}, "test")


def same_weights(first: Path, second: Path) -> bool:
    """Returns whether two checkpoints hold the same weights, bit for bit."""
    a, b = read_weights(first)[0], read_weights(second)[0]
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def held_out_losses(system: System, tables: Tables, count: int) -> dict[str, float]:
    """Returns a system's mean losses by name on held-out cells, with true notes given."""
    with Loader(ShardSource(tables, "validation"), system.kinds, 5, pool_blocks=1, threads=1) as loader:
        batch = system.collate(list(islice(loader, count)), {})
    with torch.no_grad():
        turns = list(system.training_losses(batch, 0.0))
    return {name: float(value) for turn in turns for name, value in turn.losses.items()}
