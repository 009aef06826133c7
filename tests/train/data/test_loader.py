"""The loader: one stream of examples for any number of threads and ranks, resumed at any example."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice

import pytest

from tests.support.training.examples import same_examples, take_examples
from train.data.examples import EXAMPLE_KINDS, Clip
from train.data.loader import Loader
from train.data.order import pools
from train.data.shards import ShardSource
from train.data.tables import Block, Tables


def test_every_clip_is_target_once_an_epoch(tables: Tables) -> None:
    every = sorted(clip for block in tables.blocks("train") for clip in block.ids())
    examples = take_examples(tables, 2 * len(every))
    for epoch in range(2):
        targets = [e.target.id for e in examples[epoch * len(every) : (epoch + 1) * len(every)]]
        assert sorted(targets) == every
    orders = [[e.target.id for e in part] for part in (examples[: len(every)], examples[len(every) :])]
    assert orders[0] != orders[1]


def test_the_stream_is_the_same_for_any_number_of_threads(tables: Tables) -> None:
    assert same_examples(take_examples(tables, 90, threads=1), take_examples(tables, 90, threads=4))


@pytest.mark.parametrize("at", [1, 17, 23, 24, 25, 51, 52, 53, 75, 103, 110])
def test_the_stream_resumes_at_any_example(tables: Tables, at: int) -> None:
    assert same_examples(take_examples(tables, at + 40)[at:], take_examples(tables, 40, start=at))


@pytest.mark.parametrize(("world", "pool"), [(2, 2), (2, 3), (3, 3), (3, 4)])
def test_any_number_of_ranks_shares_one_stream(tables: Tables, world: int, pool: int) -> None:
    """Over an epoch and a half, from the middle, whether the ranks divide the pools or not."""
    expected = take_examples(tables, 78, start=30, pool=pool)
    for rank in range(world):
        mine = take_examples(tables, 78 // world, start=30, rank=rank, world=world, pool=pool)
        assert same_examples(mine, expected[rank::world])


class Counting(ShardSource):
    """Shards that record which clips were read."""

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables)
        self.asked: Counter[int] = Counter()

    def clips(self, block: Block, keys: Sequence[int]) -> list[Clip]:
        self.asked[block.block] += len(keys)
        return super().clips(block, keys)


def test_ranks_read_blocks_of_their_own_and_decode_each_clip_once(tables: Tables) -> None:
    blocks = tables.blocks("train")
    count = sum(block.clips for block in blocks)
    assert (len(blocks), {block.clips for block in blocks}) == (6, {8})
    for rank in range(2):
        source = Counting(tables)
        with Loader(source, EXAMPLE_KINDS, seed=5, pool_blocks=2, rank=rank, world=2) as loader:
            list(islice(loader.examples(0), count // 2))
        own = Counter({blocks[pool[rank]].block: 8 for pool in pools(len(blocks), 2, 5, epoch=0)})
        # The first pool of the next epoch may already be read.
        ahead = Counter({blocks[pools(len(blocks), 2, 5, epoch=1)[0][rank]].block: 8})
        assert own <= source.asked <= own + ahead


def test_keys_are_known_without_reading(tables: Tables) -> None:
    with Loader(ShardSource(tables), EXAMPLE_KINDS, seed=5, pool_blocks=3, rank=1, world=2) as loader:
        assert loader.keys(41, 30) == [
            example.target.id.key for example in take_examples(tables, 30, start=41)
        ]
