"""A dataset's shards as a source of blocks: one range read a block, then the clips that are needed."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from manifests.dataset.clip_audio import decode_flac, read_bytes
from manifests.dataset.layout import read_table
from manifests.types import InputError
from train.data.examples import Clip
from train.data.tables import Block, Tables

COLUMNS = ["block", "timbre", "envelope", "phrase", "offset", "length", "gain", "rate", "frames"]


class ClipRows(NamedTuple):
    """Offsets and lengths in the tar (bytes) and gains of a block's clips, [clips] each, as `Block.ids()`."""

    offsets: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    gains: npt.NDArray[np.float64]


class ShardSource:
    """The rendered blocks of a split.

    A shard's clip table is read with its first block, and kept as 24 bytes a clip: 70 MB for three million.

    Raises InputError if the split has no block, or a block has an axis with one id only.

    Example: `ShardSource(Tables.open(Path("dataset")), "train")`
    """

    def __init__(self, tables: Tables, split: str = "train") -> None:
        self.tables = tables
        self.where = f"{tables.layout.root}: split {split!r}"
        self._blocks = tables.blocks(split)
        for block in self._blocks:
            if min(len(block.timbres), len(block.phrases), len(block.envelopes)) < 2:
                raise InputError(
                    f"{tables.layout.table('blocks')}: block {block.block} has an axis with one id only; a"
                    " target there has no partner, render with at least 2 on each axis"
                )
        self._by_shard: dict[str, list[Block]] = {}
        for block in self._blocks:
            self._by_shard.setdefault(block.shard, []).append(block)
        self._rows: dict[int, ClipRows] = {}
        self._locks = {shard: Lock() for shard in self._by_shard}

    def blocks(self, epoch: int) -> Sequence[Block]:
        """Returns the blocks, the same in every epoch."""
        return self._blocks

    def clips(self, block: Block, wanted: Sequence[int]) -> list[Clip]:
        """Reads the clips at the places `wanted` of the block's ids. Thread-safe.

        Raises InputError if a shard is missing, truncated or damaged, or does not fit its clip table.
        """
        tables = self.tables
        rows = self._block_rows(block)
        path = tables.layout.inside(block.shard)
        data = read_bytes(path, block.offset, block.length)
        ids = block.ids()
        made = []
        for place in wanted:
            id = ids[place]
            start = int(rows.offsets[place]) - block.offset
            flac = data[start : start + int(rows.lengths[place])]
            audio = decode_flac(flac, tables.frames, tables.rate, f"{path} clip {id.key}")
            notes = tables.sounding_notes(id.timbre, id.phrase)
            envelope, octave = tables.envelope_of(id.timbre, id.envelope), tables.timbre_octaves[id.timbre]
            made.append(Clip(id, audio, notes, envelope, float(rows.gains[place]), octave))
        return made

    def _block_rows(self, block: Block) -> ClipRows:
        with self._locks[block.shard]:
            if block.block not in self._rows:
                self._rows |= shard_index(self.tables, block.shard, self._by_shard[block.shard])
        return self._rows[block.block]


def shard_index(tables: Tables, shard: str, blocks: Sequence[Block]) -> dict[int, ClipRows]:
    """Reads the clip rows of a shard's blocks, by block.

    Raises InputError unless they are each block's full factorial, inside its bytes, and of one format.
    """
    path = tables.rendered.clip_table(shard)
    table = read_table(path, "clips").select(COLUMNS)
    columns = {name: np.asarray(table.column(name)) for name in COLUMNS}
    for name, expected in (("rate", tables.rate), ("frames", tables.frames)):
        if not (columns[name] == expected).all():
            raise InputError(f"{path}: column {name!r} is not {expected} throughout, as in the other shards")
    index = {}
    for block in blocks:
        rows = np.flatnonzero(columns["block"] == block.block)
        cells = zip(*(columns[name][rows].tolist() for name in ("timbre", "envelope", "phrase")), strict=True)
        row_of = dict(zip(cells, rows.tolist(), strict=True))
        ordered = []
        for id in block.ids():
            row = row_of.get((id.timbre, id.envelope, id.phrase))
            if row is None:
                raise InputError(f"{path}: no row for clip {id.key}")
            start = int(columns["offset"][row]) - block.offset
            if start < 0 or start + int(columns["length"][row]) > block.length:
                raise InputError(f"{path}: clip {id.key} lies outside its block's bytes")
            ordered.append(row)
        index[block.block] = ClipRows(*(columns[name][ordered] for name in ("offset", "length", "gain")))
    return index
