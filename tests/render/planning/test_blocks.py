"""Blocks and shards as pure functions of counts: full coverage, minimum sizes, held-out cells."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from manifests.types import InputError
from render.config import Blocks
from render.planning.blocks import Block, Cut, cut_evenly, cut_product, hold_out, in_shards, join, sample

AXES = ("timbres", "envelopes", "phrases")


def listed(cut: Cut) -> list[Block]:
    return [cut[i] for i in range(len(cut))]


def cells(cut: Cut) -> Counter[tuple[int, ...]]:
    blocks = listed(cut)
    return Counter(cell for b in blocks for cell in itertools.product(b.timbres, b.envelopes, b.phrases))


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
    cut = cut_product(timbres, envelopes, phrases, Blocks(), 3, "train")
    assert cells(cut) == Counter(itertools.product(timbres, envelopes, phrases))
    assert cut.clips().tolist() == [block.clips for block in listed(cut)]


def test_timbres_are_grouped_differently_in_each_band_of_phrases() -> None:
    blocks = listed(cut_product(range(40), range(4), range(40), Blocks(), 3, "train"))
    mates = [{b.timbres for b in blocks if 0 in b.timbres and band in b.phrases} for band in range(40)]
    assert len({next(iter(m)) for m in mates}) > 5


def test_blocks_that_share_dry_phrases_are_adjacent() -> None:
    blocks = listed(cut_product(range(8), range(12), range(8), Blocks(), 3, "train"))
    runs = [key for key, _ in itertools.groupby((b.timbres, b.phrases) for b in blocks)]
    assert len(runs) == len(set(runs)), "each (timbres, phrases) is one unbroken run of envelope groups"


def all_ids(cut: Cut) -> dict[str, set[int]]:
    return {axis: {i for b in listed(cut) for i in getattr(b, axis)} for axis in AXES}


@pytest.mark.parametrize("seed", range(5))
def test_validation_holds_out_cells_never_ids(seed: int) -> None:
    cut = cut_product(range(8), range(8), range(8), Blocks(), seed, "train")
    held = hold_out(cut, 0.25, seed)
    assert held.sum() == 2
    assert all_ids(cut.take(~held)) == {axis: set(range(8)) for axis in AXES}


@pytest.mark.parametrize("share", [0.5, 0.1, 0.001])
def test_a_sample_keeps_its_share_and_every_id(share: float) -> None:
    cut = cut_product(range(10, 30), range(16), range(12), Blocks(), 3, "train")
    kept = sample(cut, share, 3)
    assert all_ids(kept) == all_ids(cut)
    assert set(cells(kept).values()) == {1}
    assert len(kept) == round(share * len(cut)) or (share <= 0.1 and len(kept) < 20)


def test_too_few_blocks_for_validation_are_refused() -> None:
    cut = cut_product(range(4), range(4), range(4), Blocks(), 1, "train")
    with pytest.raises(InputError, match="too few to hold one out"):
        hold_out(cut, 0.1, 1)


def test_an_axis_of_one_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="split train: 1 envelope id"):
        cut_product([0, 1], [0], [0, 1], Blocks(), 1, "train")


def test_products_are_joined_though_their_groups_differ_in_size() -> None:
    first = cut_product(range(4), range(4), range(4), Blocks(), 1, "train")
    second = cut_product(range(10, 12), range(3), range(5), Blocks(), 1, "train")
    assert listed(join([first, second])) == listed(first) + listed(second)


@pytest.mark.parametrize("per_shard", [1, 2, 7, 64, 1000])
@pytest.mark.parametrize("shape", [(16, 12, 12), (9, 5, 11)])
def test_shards_are_contiguous_and_of_even_cost(per_shard: int, shape: tuple[int, int, int]) -> None:
    clips = cut_product(*map(range, shape), Blocks(), 3, "train").clips()
    shards = in_shards(clips, per_shard)
    assert np.all(np.diff(shards) >= 0)
    assert sorted(set(shards.tolist())) == list(range(-(-len(clips) // per_shard)))
    costs = np.bincount(shards, clips)
    assert costs.max() - costs.min() <= 2 * clips.max()
