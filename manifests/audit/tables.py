"""Tables of a dataset as DataFrames, and the check of their ids.

Clip tables, with millions of rows, are not among them: `manifests.audit.checks.rows` reads one at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from manifests.audit.findings import Finding, findings_of
from manifests.dataset.layout import Layout, to_pandas
from manifests.dataset.schema import schema
from manifests.types import InputError

AXES = ("timbre", "envelope", "phrase")
"""The three ids of a clip."""


@dataclass(frozen=True, slots=True)
class Tables:
    """Tables and config of a dataset. `clips` holds a sample of the clip rows, or none."""

    clips: pd.DataFrame
    timbres: pd.DataFrame
    envelopes: pd.DataFrame
    phrases: pd.DataFrame
    blocks: pd.DataFrame
    shards: pd.DataFrame
    config: dict[str, Any]

    def axis(self, name: str) -> pd.DataFrame:
        """Returns the table of "timbre", "envelope", "phrase" or "block" ids."""
        frame: pd.DataFrame = getattr(self, f"{name}s")
        return frame


def load_tables(layout: Layout, config: Any) -> Tables:
    """Reads all tables but those of clips.

    Raises:
        InputError: If a table is missing, torn or of another schema, or if `config` is not an object.
    """
    if not isinstance(config, dict):
        raise InputError(f"{layout.dataset_json}: `config` is not an object")
    clips = to_pandas(schema("clips").empty_table())
    named = {
        name: to_pandas(layout.read(name)) for name in ("timbres", "envelopes", "phrases", "blocks", "shards")
    }
    return Tables(clips=clips, config=config, **named)


def id_findings(tables: Tables) -> Iterator[Finding]:
    """Checks that each id is the place of its row, and that blocks and shards agree on each other."""
    for axis in (*AXES, "block"):
        frame = tables.axis(axis)
        wrong = frame.index[frame[axis].to_numpy() != np.arange(len(frame))]
        yield from findings_of("ids", ((f"{axis}s.parquet row {i}", "id is not its place") for i in wrong))
    blocks, shards = tables.blocks, tables.shards
    totals = blocks.groupby("shard", sort=False).agg(blocks=("clips", "size"), clips=("clips", "sum"))
    unknown = sorted(set(totals.index) ^ set(shards["shard"]))
    what = "is in one of blocks.parquet and shards.parquet only"
    yield from findings_of("blocks", ((shard, what) for shard in unknown))
    for row in shards.itertuples():
        if row.shard in totals.index and tuple(totals.loc[row.shard]) != (row.blocks, row.clips):
            what = "shards.parquet counts other blocks or clips than blocks.parquet"
            yield Finding("coverage", row.shard, what)
