"""Examples taken from a loader's stream, and their comparison."""

from __future__ import annotations

from itertools import islice

import numpy as np

from train.data.examples import EXAMPLE_KINDS, Example
from train.data.loader import Loader
from train.data.shards import ShardSource
from train.data.tables import Tables


def take_examples(
    tables: Tables, count: int, start: int = 0, threads: int = 2, rank: int = 0, world: int = 1, pool: int = 3
) -> list[Example]:
    with Loader(
        ShardSource(tables), EXAMPLE_KINDS, seed=5, pool_blocks=pool, threads=threads, rank=rank, world=world
    ) as loader:
        return list(islice(loader.examples(start), count))


def same_examples(actual: list[Example], expected: list[Example]) -> bool:
    return len(actual) == len(expected) and all(
        (a.kind, a.seed, a.target.id, a.content.id, a.timbre.id, a.envelope.id)
        == (b.kind, b.seed, b.target.id, b.content.id, b.timbre.id, b.envelope.id)
        and np.array_equal(a.target.audio, b.target.audio)
        for a, b in zip(actual, expected, strict=True)
    )
