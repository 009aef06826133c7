"""The order of clips: pools of blocks, one order an epoch."""

from __future__ import annotations

from itertools import chain

import pytest

from manifests.types import InputError
from train.data.examples import EXAMPLE_KINDS
from train.data.loader import Loader
from train.data.order import check_enough, pool_order, pools
from train.data.shards import ShardSource
from train.data.tables import Tables


def test_each_epoch_has_its_own_order() -> None:
    epochs = [pools(40, 8, seed=3, epoch=epoch) for epoch in range(3)]
    assert all(sorted(chain.from_iterable(epoch)) == list(range(40)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    assert pool_order([9] * 8, 3, 0, 0) != pool_order([9] * 8, 3, 1, 0)


def test_pools_have_the_requested_size() -> None:
    for blocks in range(16, 70):
        parts = pools(blocks, 16, seed=1, epoch=2)
        assert sorted(index for part in parts for index in part) == list(range(blocks))
        assert {len(part) for part in parts[:-1]} <= {16}
        assert 16 <= len(parts[-1]) < 32


def test_a_pool_gives_a_clip_of_each_block_in_turn() -> None:
    order = pool_order([3, 2, 3], 1, 0, 0)
    assert [block for block, _ in order] == [0, 1, 2, 0, 1, 2, 0, 2]
    assert sorted(order) == [(block, clip) for block, count in enumerate([3, 2, 3]) for clip in range(count)]
    assert order != pool_order([3, 2, 3], 1, 1, 0)


def test_too_few_blocks_are_refused_with_the_arithmetic(tables: Tables) -> None:
    count = len(tables.blocks("train"))
    with pytest.raises(InputError, match=rf"{count} blocks cannot fill a pool of 16; .*to {count} or less"):
        Loader(ShardSource(tables), EXAMPLE_KINDS, seed=1, pool_blocks=16)
    with pytest.raises(InputError, match=r"2 blocks for 8 devices leave 6 of them without one; set it to 8"):
        check_enough(13, 2, 8, "there")
