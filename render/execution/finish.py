"""Finishes a dataset after its last shard: writes the summary tables and the card from the shard tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manifests.dataset import files
from manifests.dataset.canonical import sha256_file
from manifests.dataset.card import card, read_labels
from manifests.dataset.layout import to_table, write_table
from manifests.dataset.storage import parquet_file
from render.clips.dataset import PlannedDataset, planned_timbres
from render.clips.shard import shard_note
from render.planning.generations import failures_table, read_failures


def finish(dataset: PlannedDataset) -> None:
    """Writes failures.parquet, blocks.parquet with offsets and timbres, the card, and shards.parquet.

    shards.parquet is written last and marks the dataset as finished.
    """
    layout = dataset.layout
    shard_rows: list[dict[str, Any]] = []
    failures, counts = read_failures(layout)
    places = np.zeros((dataset.blocks.num_rows, 2), dtype=np.int64)
    stands_for: dict[tuple[int, int], int] = {}
    for shard, plan in dataset.shards.items():
        path = layout.clip_table(shard)
        file = parquet_file(path)
        note = shard_note(file.schema_arrow.metadata)
        failures += note["failures"]
        stands_for |= _substitutes(file)
        extents = np.array(note["blocks"], dtype=np.int64)
        places[extents[:, 0]] = extents[:, 1:]
        shard_rows.append(
            {
                "shard": shard,
                "split": plan.split,
                "sha256": note["sha256"],
                "bytes": note["bytes"],
                "blocks": plan.blocks,
                "clips": file.metadata.num_rows,
                "table_sha256": sha256_file(path),
            }
        )
    write_table(layout.table("failures"), failures_table(failures, counts))
    write_table(layout.table("blocks"), _placed(dataset.blocks, places, stands_for))
    text = card(
        dataset.metadata,
        shard_rows,
        list(dataset.timbres.values()),
        len(dataset.envelopes),
        len(dataset.phrases),
        read_labels(layout),
    )
    files.replace(layout.card, text.encode())
    write_table(layout.table("shards"), to_table("shards", shard_rows))


def _substitutes(file: pq.ParquetFile) -> dict[tuple[int, int], int]:
    """Maps (block, planned timbre) to the timbre that replaced it."""
    column = file.read(columns=["substitutes"])["substitutes"]
    if column.null_count == len(column):
        return {}
    table = file.read(columns=["block", "timbre", "substitutes"])
    rows = table.filter(pc.is_valid(table["substitutes"])).to_pylist()
    return {(row["block"], row["substitutes"]): row["timbre"] for row in rows}


def _placed(
    blocks: pa.Table, places: npt.NDArray[np.int64], stands_for: dict[tuple[int, int], int]
) -> pa.Table:
    """Returns blocks.parquet with each block's offset, length and actual timbres.

    `places` is int64 [blocks, 2]: offset and length in bytes. `stands_for` maps (block, planned timbre) to
    its replacement.
    """
    columns = {"offset": pa.array(places[:, 0]), "length": pa.array(places[:, 1])}
    if stands_for or blocks["planned"].null_count < blocks.num_rows:
        changed = {block for block, _ in stands_for}
        rows = blocks.select(["block", "timbres", "planned"]).to_pylist()
        planned = [planned_timbres(row) for row in rows]
        columns["timbres"] = pa.array(
            [
                [stands_for.get((row["block"], timbre), timbre) for timbre in timbres]
                for row, timbres in zip(rows, planned, strict=True)
            ],
            blocks.schema.field("timbres").type,
        )
        columns["planned"] = pa.array(
            [t if row["block"] in changed else None for row, t in zip(rows, planned, strict=True)],
            blocks.schema.field("planned").type,
        )
    for name, column in columns.items():
        blocks = blocks.set_column(blocks.schema.get_field_index(name), blocks.schema.field(name), column)
    return blocks
