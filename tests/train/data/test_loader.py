"""The loader: who is target and partner, in which order, from where; and what it refuses."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from types import FrameType

import numpy as np
import pytest

from manifests.dataset.layout import Layout
from manifests.splits.seeds import stream
from manifests.synthesis import compose
from manifests.types import ClipId, InputError
from tests.support.synthetic_dataset import make_dataset
from train.data.batches import Batches, parts_of
from train.data.blocks import read_bytes, read_clips
from train.data.examples import EXAMPLE_KINDS, Clip, Example, cast
from train.data.loader import Loader
from train.data.order import check_enough, pool_order, pools
from train.data.pairs import KINDS, draw_pairs
from train.data.shards import Shards
from train.data.tables import Block, Tables


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return make_dataset(tmp_path_factory.mktemp("data") / "set", train=(4, 4, 4), seconds=0.6, rate=8000)


@pytest.fixture(scope="module")
def tables(layout: Layout) -> Tables:
    return Tables.open(layout.root)


def take(
    tables: Tables, count: int, start: int = 0, threads: int = 2, rank: int = 0, world: int = 1, pool: int = 3
) -> list[Example]:
    with Loader(
        Shards(tables), EXAMPLE_KINDS, seed=5, pool_blocks=pool, threads=threads, rank=rank, world=world
    ) as loader:
        return list(islice(loader.examples(start), count))


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


def test_what_partners_cost_does_not_grow_with_the_dataset(tmp_path: Path) -> None:
    """No scan of rows for a partner: a block costs the same calls beside one more or seven."""
    calls = []
    for timbres in (4, 16):
        root = make_dataset(tmp_path / str(timbres), train=(timbres, 2, 2), seconds=0.3, rate=8000).root
        shards = Shards(Tables.open(root))
        block = min(shards.blocks(0))
        count = Counter[str]()

        def counted(frame: FrameType, event: str, what: object, count: Counter[str] = count) -> None:
            count[event] += 1

        for _ in range(2):  # the first time fills caches
            count.clear()
            sys.setprofile(counted)
            shards.clips(block, range(block.clips))
            roles = [
                cast(kind, target, (block.timbres, block.phrases, block.envelopes), stream(1, "cast"))
                for kind in EXAMPLE_KINDS
                for target in block.ids()
            ]
            sys.setprofile(None)
        assert len(roles) == 4 * block.clips
        calls.append(dict(count))
    assert calls[0] == calls[1]


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


@pytest.mark.parametrize("at", [1, 17, 23, 24, 25, 51, 52, 53, 75, 103, 110])
def test_the_stream_goes_on_from_any_example(tables: Tables, at: int) -> None:
    assert same(take(tables, at + 40)[at:], take(tables, 40, start=at))


@pytest.mark.parametrize(("world", "pool"), [(2, 2), (2, 3), (3, 3), (3, 4)])
def test_any_number_of_ranks_shares_one_stream(tables: Tables, world: int, pool: int) -> None:
    """Over an epoch and a half, from the middle, whether the ranks divide the pools or not."""
    whole = take(tables, 78, start=30, pool=pool)
    for rank in range(world):
        mine = take(tables, 78 // world, start=30, rank=rank, world=world, pool=pool)
        assert same(mine, whole[rank::world])


class Counting(Shards):
    """Shards that remember what was asked of them."""

    def __init__(self, tables: Tables) -> None:
        super().__init__(tables)
        self.asked: Counter[int] = Counter()

    def clips(self, block: Block, wanted: Sequence[int]) -> list[Clip]:
        self.asked[block.block] += len(wanted)
        return super().clips(block, wanted)


def test_ranks_read_blocks_of_their_own_and_decode_each_clip_once(tables: Tables) -> None:
    blocks = tables.blocks("train")
    count = sum(block.clips for block in blocks)
    assert (len(blocks), {block.clips for block in blocks}) == (6, {8})
    for rank in range(2):
        source = Counting(tables)
        with Loader(source, EXAMPLE_KINDS, seed=5, pool_blocks=2, rank=rank, world=2) as loader:
            list(islice(loader.examples(0), count // 2))
        own = Counter({blocks[pool[rank]].block: 8 for pool in pools(len(blocks), 2, 5, epoch=0)})
        # The first pool of the next epoch may be on its way by now.
        ahead = Counter({blocks[pools(len(blocks), 2, 5, epoch=1)[0][rank]].block: 8})
        assert own <= source.asked <= own + ahead


def test_keys_are_known_without_reading(tables: Tables) -> None:
    with Loader(Shards(tables), EXAMPLE_KINDS, seed=5, pool_blocks=3, rank=1, world=2) as loader:
        assert loader.keys(41, 30) == [example.target.id.key for example in take(tables, 30, start=41)]


def test_pools_hold_what_was_asked_for() -> None:
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
        Loader(Shards(tables), EXAMPLE_KINDS, seed=1, pool_blocks=16)
    with pytest.raises(InputError, match=r"2 blocks for 8 devices leave 6 of them without one; set it to 8"):
        check_enough(13, 2, 8, "there")


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
def test_parts_are_kept_where_they_can_be(
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
    whole = [example.target.id.key for example in take(tables, 24, start=16, pool=4)]
    parts: dict[int, list[list[str]]] = {}
    for rank in range(world):
        loader = Loader(Shards(tables), EXAMPLE_KINDS, 5, pool_blocks=4, rank=rank, world=world)
        with Batches(loader, lambda part: [e.target.id.key for e in part], 8, 4, threads=3) as batches:
            for _, found in zip(range(3), batches.steps(2), strict=False):
                for number, part in zip(batches.numbers, found, strict=True):
                    parts.setdefault(number, []).append(part)
            assert batches.keys(3) == whole[8:16]
            assert batches.keys(3, [1, 3]) == whole[8:16][1::2]
    for number in range(4):
        assert parts[number] == [whole[step * 8 : step * 8 + 8][number::4] for step in range(3)]


def test_blocks_and_single_clips_are_read_alike(tables: Tables) -> None:
    block = tables.blocks("validation")[0]
    clips = Shards(tables, "validation").clips(block, range(block.clips))
    single = read_clips(tables.layout, [clip.key for clip in block.ids()])
    assert [clip.id for clip in clips] == block.ids()
    for clip in clips:
        assert clip.audio.dtype == np.int16
        np.testing.assert_array_equal(clip.audio, single[clip.id.key])


def test_a_truncated_shard_is_named(layout: Layout, tmp_path: Path) -> None:
    copy = make_dataset(tmp_path / "set", train=(2, 2, 2), seconds=0.6, rate=8000, validation=0.0)
    tables = Tables.open(copy.root)
    block = tables.blocks("validation")[0]
    shard = copy.inside(block.shard)
    shard.write_bytes(shard.read_bytes()[: block.offset + block.length // 2])
    with pytest.raises(InputError, match=r"shard-000000\.tar: truncated"):
        read_bytes(shard, block.offset, block.length)
    with pytest.raises(InputError, match=r"shard-000000\.tar: truncated"):
        tables.blocks("validation")
    shard.unlink()
    with pytest.raises(InputError, match=r"shard-000000\.tar: shard is missing"):
        tables.blocks("validation")


def test_a_dataset_that_grows_is_not_read_in_part(tmp_path: Path) -> None:
    """While shards are rendered there is no table of them; blocks that are there would not be all."""
    copy = make_dataset(tmp_path / "set", train=(2, 2, 2), seconds=0.3, rate=8000, validation=0.0)
    copy.table("shards").unlink()
    with pytest.raises(InputError, match=r"no such table; `python -m render status .*` tells whether"):
        Tables.open(copy.root).blocks("validation")
    with pytest.raises(
        InputError, match=r"'test_unseen_all' has no rendered block; `python -m render status"
    ):
        Tables.open(copy.root).blocks("test_unseen_all")


def test_an_unknown_clip_is_named(layout: Layout) -> None:
    with pytest.raises(InputError, match="b000999_t00000_e0000_p0000"):
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
    with pytest.raises(InputError, match="holds 16 pairs"):
        draw_pairs(layout, "validation", "both", 17, seed=1)
