"""Blocks and shards as pure functions of counts: covered once, never below two, validation holds cells."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from manifests.vocabulary import BadInput
from render.blocks import cut_evenly, cut_product, hold_out, shard_of
from render.config import Blocks


@pytest.mark.parametrize("largest", [2, 3, 4, 7, 16])
@pytest.mark.parametrize("count", range(2, 60))
def test_parts_are_even_and_never_below_two(count: int, largest: int) -> None:
    sizes = cut_evenly(count, largest)
    assert sum(sizes) == count
    assert min(sizes) >= 2
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= largest + (largest == 2), "only an odd count of pairs needs a part of three"


@pytest.mark.parametrize("shape", [(16, 12, 12), (2, 2, 2), (5, 9, 7), (23, 12, 3)])
def test_a_product_is_covered_exactly_once(shape: tuple[int, int, int]) -> None:
    timbres, envelopes, phrases = (list(range(100, 100 + n)) for n in shape)
    blocks = list(cut_product(timbres, envelopes, phrases, Blocks(), 3, "train"))
    cells = Counter(cell for b in blocks for cell in itertools.product(b.timbres, b.envelopes, b.phrases))
    assert set(cells) == set(itertools.product(timbres, envelopes, phrases))
    assert set(cells.values()) == {1}


def test_timbres_meet_other_mates_in_each_band_of_phrases() -> None:
    blocks = list(cut_product(range(40), range(4), range(40), Blocks(), 3, "train"))
    mates = [{b.timbres for b in blocks if 0 in b.timbres and band in b.phrases} for band in range(40)]
    assert len({next(iter(m)) for m in mates}) > 5


def test_blocks_that_share_dry_phrases_stand_together() -> None:
    blocks = list(cut_product(range(8), range(12), range(8), Blocks(), 3, "train"))
    runs = [key for key, _ in itertools.groupby((b.timbres, b.phrases) for b in blocks)]
    assert len(runs) == len(set(runs)), "each (timbres, phrases) is one unbroken run of envelope groups"


@pytest.mark.parametrize("seed", range(5))
def test_validation_holds_out_cells_never_ids(seed: int) -> None:
    blocks = list(cut_product(range(8), range(8), range(8), Blocks(), seed, "train"))
    held = hold_out(blocks, 0.25, seed)
    assert sum(held) == 2
    kept = [b for b, out in zip(blocks, held, strict=True) if not out]
    for axis in ("timbres", "envelopes", "phrases"):
        assert {i for b in kept for i in getattr(b, axis)} == set(range(8))


def test_too_few_blocks_for_validation_are_refused() -> None:
    blocks = list(cut_product(range(4), range(4), range(4), Blocks(), 1, "train"))
    with pytest.raises(BadInput, match="too few to hold one out"):
        hold_out(blocks, 0.1, 1)


def test_an_axis_of_one_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match="split train: 1 envelope id"):
        list(cut_product([0, 1], [0], [0, 1], Blocks(), 1, "train"))


def test_shards_take_blocks_in_order() -> None:
    assert [shard_of("train", i, 2)[-8:] for i in range(4)] == [
        "0000.tar",
        "0000.tar",
        "0001.tar",
        "0001.tar",
    ]
