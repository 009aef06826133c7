"""Makes blocks.parquet from the ids' sides: cuts each split's product, samples it, and assigns shards.

A generation cuts only cells with at least one new id, so that blocks of earlier generations stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests.dataset.layout import shard_path
from manifests.dataset.schema import schema
from manifests.splits.splits import SIDES_OF_SPLIT
from manifests.types import SPLITS, InputError
from render.config import Config
from render.planning.blocks import I32, NONE, Cut, cut_product, hold_out, in_shards, join, sample

Rows = Sequence[dict[str, Any]]
Ids = list[int]


def cut_blocks(
    config: Config,
    timbres: Rows,
    envelopes: Rows,
    phrases: Rows,
    before: pa.Table | None = None,
    generation: int = 0,
) -> pa.Table:
    """Adds a generation's blocks to blocks.parquet as it was `before`.

    Raises InputError if a split has too few ids or blocks.
    """
    tables = [before] if before is not None else []
    first = sum(table.num_rows for table in tables)
    for split, cut in _splits(config, (timbres, envelopes, phrases), generation):
        if not len(cut):
            continue
        table = _rows(cut, split, first, _shards_of(before, split), config.blocks.per_shard, generation)
        tables.append(table)
        first += table.num_rows
    return pa.concat_tables(tables).combine_chunks()


def _shards_of(before: pa.Table | None, split: str) -> int:
    return 0 if before is None else len(before.filter(pc.equal(before["split"], split))["shard"].unique())


def _splits(config: Config, axes: tuple[Rows, Rows, Rows], generation: int) -> Iterator[tuple[str, Cut]]:
    # The first generation's draws are not named by its number.
    what = (generation,) if generation else ()
    for split in SPLITS:
        if split == "validation" or (split == "test_unseen_synth" and config.splits.unseen_synth is None):
            continue
        regions = list(_regions(split, axes, generation))
        cuts = [
            cut_product(*ids, config.blocks, config.seed, split, *what, *([place] if generation else []))
            for place, ids in regions
        ]
        cut = join(cuts)
        if (share := config.splits.sampled.get(split, 1.0)) < 1.0 and len(cut):
            cut = sample(cut, share, config.seed, split, *what)
        if split != "train":
            yield split, cut
            continue
        try:
            held = hold_out(cut, config.splits.validation, config.seed, *what)
        except InputError:
            # A later generation may add too few blocks. Validation keeps the first one's blocks then.
            if not generation:
                raise
            held = np.zeros(len(cut), dtype=bool)
        yield "train", cut.take(~held)
        yield "validation", cut.take(held)


def _regions(
    split: str, axes: tuple[Rows, Rows, Rows], generation: int
) -> Iterator[tuple[int, tuple[Ids, Ids, Ids]]]:
    """Yields (number, ids) of disjoint products that cover what a generation adds to a split's product."""
    old: list[Ids] = []
    new: list[Ids] = []
    for axis, rows, side in zip(("timbre", "envelope", "phrase"), axes, SIDES_OF_SPLIT[split], strict=True):
        of = [row for row in rows if row["side"] == side]
        old.append([row[axis] for row in of if row["generation"] < generation])
        new.append([row[axis] for row in of if row["generation"] == generation])
    if generation == 0:
        # An axis without test ids (a share of 0) makes no test set.
        if split == "train" or all(new):
            yield 0, (new[0], new[1], new[2])
        return
    whole = [before + added for before, added in zip(old, new, strict=True)]
    products = ((new[0], whole[1], whole[2]), (old[0], new[1], whole[2]), (old[0], old[1], new[2]))
    yield from ((place, ids) for place, ids in enumerate(products) if all(ids))


def _rows(cut: Cut, split: str, first: int, taken: int, per_shard: int, generation: int) -> pa.Table:
    count, clips = len(cut), cut.clips()
    names = np.array([shard_path(split, taken + i) for i in range(-(-count // per_shard))])
    nothing = pa.nulls(count)
    columns: dict[str, Any] = {
        "block": np.arange(first, first + count),
        "split": pa.repeat(split, count),
        "shard": pa.DictionaryArray.from_arrays(in_shards(clips, per_shard), names),
        "timbres": _lists(cut.timbres),
        "planned": nothing,
        "phrases": _lists(cut.phrases),
        "envelopes": _lists(cut.envelopes),
        "clips": clips,
        "offset": nothing,
        "length": nothing,
        "generation": np.full(count, generation),
    }
    fields = schema("blocks")
    made = [
        columns[field.name].cast(field.type)
        if isinstance(columns[field.name], pa.Array)
        else pa.array(columns[field.name], field.type)
        for field in fields
    ]
    return pa.Table.from_arrays(made, schema=fields)


def as_planned(blocks: pa.Table) -> pa.Table:
    """Returns blocks.parquet as it was planned: without offsets and replaced timbres."""
    nothing = {name: pa.nulls(blocks.num_rows) for name in ("planned", "offset", "length")}
    columns = {**nothing, "timbres": pc.coalesce(blocks["planned"], blocks["timbres"])}
    for name, column in columns.items():
        field = blocks.schema.field(name)
        blocks = blocks.set_column(blocks.schema.get_field_index(name), field, column.cast(field.type))
    return blocks


def _lists(ids: I32) -> pa.ListArray:
    here = ids != NONE
    offsets = np.concatenate([[0], np.cumsum(here.sum(axis=1))]).astype(np.int32)
    return pa.ListArray.from_arrays(offsets, ids[here])
