"""Reading blocks and single clips of shards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from manifests.dataset.clip_audio import read_bytes
from manifests.dataset.layout import Layout
from manifests.types import InputError
from tests.support.synthetic_dataset import make_dataset
from train.data.clips import read_clips
from train.data.shards import ShardSource
from train.data.tables import Tables


def test_blocks_and_single_clips_read_the_same_audio(tables: Tables) -> None:
    block = tables.blocks("validation")[0]
    clips = ShardSource(tables, "validation").clips(block, range(block.clips))
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


def test_an_unknown_clip_is_named(layout: Layout) -> None:
    with pytest.raises(InputError, match="b000999_t00000_e0000_p0000"):
        read_clips(layout, ["b000999_t00000_e0000_p0000"])
