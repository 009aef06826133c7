"""Batches: divided into parts and over devices, with the same examples."""

from __future__ import annotations

import pytest

from manifests.types import InputError
from tests.support.training.examples import take_examples
from train.data.batches import Batches, parts_of
from train.data.examples import EXAMPLE_KINDS
from train.data.loader import Loader
from train.data.shards import ShardSource
from train.data.tables import Tables


@pytest.mark.parametrize(
    ("batch", "micro_batch", "world", "begun_with", "parts"),
    [
        (8, None, 1, None, 1),
        (8, None, 2, None, 2),
        (8, 2, 2, None, 4),
        (8, None, 1, 4, 4),
        (12, None, 3, 2, 6),
    ],
)
def test_parts_are_kept_where_they_divide_evenly(
    batch: int, micro_batch: int | None, world: int, begun_with: int | None, parts: int
) -> None:
    assert parts_of(batch, micro_batch, world, begun_with) == parts


@pytest.mark.parametrize(
    ("batch", "micro_batch", "world", "message"),
    [
        (8, 3, 1, "8 examples a step do not divide into parts of 3"),
        (8, 4, 4, r"8 examples in parts of 4 are 2 part\(s\), which 4 devices cannot share evenly"),
        (8, None, 3, "8 examples a step do not divide into 3 parts on 3 devices"),
    ],
)
def test_batches_that_do_not_divide_are_refused(
    batch: int, micro_batch: int | None, world: int, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        parts_of(batch, micro_batch, world)


@pytest.mark.parametrize("world", [1, 2, 4])
def test_parts_hold_the_same_examples_on_any_number_of_devices(tables: Tables, world: int) -> None:
    expected = [example.target.id.key for example in take_examples(tables, 24, start=16, pool=4)]
    parts: dict[int, list[list[str]]] = {}
    for rank in range(world):
        loader = Loader(ShardSource(tables), EXAMPLE_KINDS, 5, pool_blocks=4, rank=rank, world=world)
        with Batches(loader, lambda part: [e.target.id.key for e in part], 8, 4, threads=3) as batches:
            for _, batch in zip(range(3), batches.steps(2), strict=False):
                for number, part in zip(batches.numbers, batch, strict=True):
                    parts.setdefault(number, []).append(part)
            assert batches.keys(3) == expected[8:16]
            assert batches.keys(3, [1, 3]) == expected[8:16][1::2]
    for number in range(4):
        assert parts[number] == [expected[step * 8 : step * 8 + 8][number::4] for step in range(3)]
