"""When the last shard is there: the tables that sum up the shards, and the card. A pure function of them."""

from __future__ import annotations

from typing import Any

from manifests import files
from manifests.canonical import sha256_file
from manifests.card import card
from manifests.layout import to_table, write_table
from manifests.storage import parquet_file
from render.dataset import Dataset, planned_timbres
from render.shard import shard_note


def finish(dataset: Dataset) -> None:
    """Writes failures.parquet, blocks.parquet with each block's place and timbres, the card, shards.parquet.

    shards.parquet comes last: it says that the dataset is whole.
    """
    layout = dataset.layout
    shard_rows: list[dict[str, Any]] = []
    places: dict[int, tuple[int, int]] = {}
    failures = [row for row in layout.read("failures").to_pylist() if row["stage"] == "tones"]
    stands_for: dict[tuple[int, int], int] = {}
    for shard, blocks in dataset.shards.items():
        path = layout.clip_table(shard)
        file = parquet_file(path)
        note = shard_note(file.schema_arrow.metadata)
        failures += note["failures"]
        changed = file.read(columns=["block", "timbre", "substitutes"]).to_pylist()
        stands_for |= {
            (row["block"], row["substitutes"]): row["timbre"]
            for row in changed
            if row["substitutes"] is not None
        }
        places |= {block: (offset, length) for block, offset, length in note["blocks"]}
        shard_rows.append(
            {
                "shard": shard,
                "split": blocks[0]["split"],
                "sha256": note["sha256"],
                "bytes": note["bytes"],
                "blocks": len(blocks),
                "clips": file.metadata.num_rows,
                "table_sha256": sha256_file(path),
            }
        )
    rows = []
    for row in dataset.blocks:
        offset, length = places[row["block"]]
        planned = planned_timbres(row)
        timbres = [stands_for.get((row["block"], timbre), timbre) for timbre in planned]
        rows.append(
            {
                **row,
                "timbres": timbres,
                "planned": planned if timbres != planned else None,
                "offset": offset,
                "length": length,
            }
        )
    write_table(layout.table("failures"), to_table("failures", failures))
    write_table(layout.table("blocks"), to_table("blocks", rows))
    text = card(
        dataset.metadata,
        shard_rows,
        list(dataset.timbres.values()),
        len(dataset.envelopes),
        len(dataset.phrases),
    )
    files.replace(layout.card, text.encode())
    write_table(layout.table("shards"), to_table("shards", shard_rows))
