"""The loader: who is target and partner, in which order, from where; and what it refuses."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from manifests import compose
from manifests.layout import Layout
from manifests.vocabulary import BadInput, ClipId
from tests.train_data import make_dataset
from train.data.blocks import read_block, read_clips
from train.data.examples import EXAMPLE_KINDS, Example
from train.data.loader import Loader, Place
from train.data.order import pool_order, pools
from train.data.pairs import KINDS, draw_pairs
from train.data.tables import Tables


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return make_dataset(tmp_path_factory.mktemp("data") / "set", train=(4, 4, 4), seconds=0.6, rate=8000)


@pytest.fixture(scope="module")
def tables(layout: Layout) -> Tables:
    return Tables.open(layout.root)


def take(tables: Tables, count: int, place: Place | None = None, threads: int = 2) -> list[Example]:
    with Loader(
        tables, EXAMPLE_KINDS, seed=5, pool_blocks=2, threads=threads, place=place or Place()
    ) as loader:
        return list(islice(loader, count))


def same(ours: list[Example], theirs: list[Example]) -> bool:
    return len(ours) == len(theirs) and all(
        (a.kind, a.seed, a.target.id, a.content.id, a.timbre.id, a.envelope.id)
        == (b.kind, b.seed, b.target.id, b.content.id, b.timbre.id, b.envelope.id)
        and np.array_equal(a.target.audio, b.target.audio)
        for a, b in zip(ours, theirs, strict=True)
    )


def test_every_clip_is_target_once_an_epoch(tables: Tables) -> None:
    every = sorted(clip for block in tables.blocks("train") for clip in block.ids())
    examples = take(tables, 2 * len(every))
    for epoch in range(2):
        targets = [e.target.id for e in examples[epoch * len(every) : (epoch + 1) * len(every)]]
        assert sorted(targets) == every
    orders = [[e.target.id for e in part] for part in (examples[: len(every)], examples[len(every) :])]
    assert orders[0] != orders[1]


def test_partners_share_exactly_what_their_kind_says(tables: Tables) -> None:
    examples = take(tables, 200)
    assert set(Counter(e.kind for e in examples)) == set(EXAMPLE_KINDS)
    for e in examples:
        target, ids = e.target.id, (e.content.id, e.timbre.id, e.envelope.id)
        assert all(id.block == target.block for id in ids)
        assert e.content.id.phrase == target.phrase
        assert e.timbre.id.timbre == target.timbre
        assert e.envelope.id.envelope == target.envelope
        if e.kind == "reconstruction":
            for id, shared in zip(ids, ("phrase", "timbre", "envelope"), strict=True):
                for axis in ("phrase", "timbre", "envelope"):
                    assert (getattr(id, axis) == getattr(target, axis)) == (axis == shared)
            continue
        source, reference = {
            "timbre": (e.content, e.timbre),
            "envelope": (e.content, e.envelope),
            "both": (e.content, e.timbre),
        }[e.kind]
        assert e.timbre.id == (source.id if e.kind == "envelope" else reference.id)
        assert e.envelope.id == (source.id if e.kind == "timbre" else reference.id)
        for axis in ("timbre", "envelope", "phrase"):
            assert getattr(source.id, axis) != getattr(reference.id, axis)


def test_labels_say_what_is_in_the_audio(tables: Tables) -> None:
    for example in take(tables, 12):
        clip = example.target
        loud = compose.gain(clip.notes, clip.envelope, tables.rate, tables.frames, tables.cut_fade_ms)
        sound = clip.audio / 32767.0
        assert np.abs(sound[loud == 0.0]).max(initial=0.0) < 1e-4
        scale = np.sqrt(np.mean(sound**2) / np.mean(loud**2)) / (0.1 * clip.gain)
        assert 0.5 < scale < 2.0
        octaves = tables.timbre_octaves[clip.id.timbre]
        written = tables.phrases[clip.id.phrase]
        assert [n.pitch for n in clip.notes] == [n.pitch + 12 * octaves for n in written]


def test_the_stream_is_the_same_for_any_number_of_threads(tables: Tables) -> None:
    assert same(take(tables, 90, threads=1), take(tables, 90, threads=4))


@pytest.mark.parametrize("at", [1, 17, 51, 52, 53, 75, 103, 110])
def test_the_stream_goes_on_from_any_example(tables: Tables, at: int) -> None:
    with Loader(tables, EXAMPLE_KINDS, seed=5, pool_blocks=2) as loader:
        stream = iter(loader)
        for _ in range(at):
            next(stream)
        place = loader.place
        rest = list(islice(stream, 40))
    assert same(rest, take(tables, 40, place=place))


def test_ranks_share_the_blocks_out(tables: Tables) -> None:
    count = len(tables.blocks("train"))
    seen = [index for rank in range(3) for pool in pools(count, 1, 9, 4, rank, 3) for index in pool]
    assert sorted(seen) == list(range(count))


def test_pools_hold_at_least_what_was_asked_for() -> None:
    for blocks in range(16, 70):
        parts = pools(blocks, 16, seed=1, epoch=2)
        assert sorted(index for part in parts for index in part) == list(range(blocks))
        assert min(len(part) for part in parts) >= 16
    assert sorted(pool_order([3, 2], 1, 0, 0)) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]


def test_too_few_blocks_are_refused_with_the_arithmetic(tables: Tables) -> None:
    count = len(tables.blocks("train"))
    with pytest.raises(BadInput, match=rf"{count} blocks for 2 rank\(s\).*16 x 2 = 32"):
        Loader(tables, EXAMPLE_KINDS, seed=1, pool_blocks=16, rank=0, world=2)


def test_blocks_and_single_clips_are_read_alike(tables: Tables) -> None:
    block = tables.blocks("validation")[0]
    whole = read_block(tables.layout, block)
    keys = [clip.key for clip in block.ids()]
    single = read_clips(tables.layout, keys)
    assert whole.dtype == np.int16
    for row, key in zip(whole, keys, strict=True):
        np.testing.assert_array_equal(row, single[key])


def test_a_truncated_shard_is_named(layout: Layout, tmp_path: Path) -> None:
    copy = make_dataset(tmp_path / "set", train=(2, 2, 2), seconds=0.6, rate=8000, validation=0.0)
    tables = Tables.open(copy.root)
    block = tables.blocks("validation")[0]
    shard = copy.inside(block.shard)
    shard.write_bytes(shard.read_bytes()[: block.offset + block.length // 2])
    with pytest.raises(BadInput, match=r"shard-000000\.tar: truncated"):
        read_block(copy, block)
    with pytest.raises(BadInput, match=r"shard-000000\.tar: truncated"):
        tables.blocks("validation")
    shard.unlink()
    with pytest.raises(BadInput, match=r"shard-000000\.tar: shard is missing"):
        tables.blocks("validation")


def test_an_unknown_clip_is_named(layout: Layout) -> None:
    with pytest.raises(BadInput, match="b000999_t00000_e0000_p0000"):
        read_clips(layout, ["b000999_t00000_e0000_p0000"])


@pytest.mark.parametrize("kind", KINDS)
def test_pairs_are_conversions_with_a_known_answer(layout: Layout, kind: str) -> None:
    pairs = draw_pairs(layout, "validation", kind, 8, seed=3)
    assert pairs == draw_pairs(layout, "validation", kind, 8, seed=3)
    assert pairs != draw_pairs(layout, "validation", kind, 8, seed=4)
    assert len({(pair.source, pair.reference) for pair in pairs}) == 8
    for pair in pairs:
        source, reference, target = (ClipId.parse(key) for key in (pair.source, pair.reference, pair.target))
        for axis in ("timbre", "envelope", "phrase"):
            assert getattr(source, axis) != getattr(reference, axis)
        assert target.phrase == source.phrase
        assert target.timbre == (source if kind == "envelope" else reference).timbre
        assert target.envelope == (source if kind == "timbre" else reference).envelope


def test_more_pairs_than_there_are_are_refused(layout: Layout) -> None:
    with pytest.raises(BadInput, match="holds 16 pairs"):
        draw_pairs(layout, "validation", "both", 17, seed=1)
