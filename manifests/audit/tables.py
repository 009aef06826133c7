"""A dataset's tables as the audit holds them, and what they must say of themselves.

The clip tables, millions of rows, are not among them: `checks.rows` reads those one at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from manifests.audit.findings import Finding, some
from manifests.dataset.layout import Layout, to_pandas
from manifests.dataset.schema import schema
from manifests.types import InputError

AXES = ("timbre", "envelope", "phrase")


@dataclass(frozen=True, slots=True)
class Tables:
    """A dataset's tables as DataFrames, and its config. `clips` are the rows at hand, not always all."""

    clips: pd.DataFrame
    timbres: pd.DataFrame
    envelopes: pd.DataFrame
    phrases: pd.DataFrame
    blocks: pd.DataFrame
    shards: pd.DataFrame
    config: dict[str, Any]

    def axis(self, name: str) -> pd.DataFrame:
        """The table of an axis (timbre, envelope, phrase) or of blocks."""
        frame: pd.DataFrame = getattr(self, f"{name}s")
        return frame


def load(layout: Layout, config: Any) -> Tables:
    """All tables but the clips; InputError where one is missing, torn, or of another schema, or no config."""
    if not isinstance(config, dict):
        raise InputError(f"{layout.dataset_json}: `config` is not an object")
    clips = to_pandas(schema("clips").empty_table())
    named = {
        name: to_pandas(layout.read(name)) for name in ("timbres", "envelopes", "phrases", "blocks", "shards")
    }
    return Tables(clips=clips, config=config, **named)


def id_findings(tables: Tables) -> Iterator[Finding]:
    """Ids are their rows' places; blocks and shards name each other and count alike."""
    for axis in (*AXES, "block"):
        frame = tables.axis(axis)
        wrong = frame.index[frame[axis].to_numpy() != np.arange(len(frame))]
        yield from some("ids", ((f"{axis}s.parquet row {i}", "id is not its place") for i in wrong))
    blocks, shards = tables.blocks, tables.shards
    of = blocks.groupby("shard", sort=False).agg(blocks=("clips", "size"), clips=("clips", "sum"))
    unknown = sorted(set(of.index) ^ set(shards["shard"]))
    yield from some("blocks", ((shard, "is in one of blocks and shards.parquet only") for shard in unknown))
    for row in shards.itertuples():
        if row.shard in of.index and tuple(of.loc[row.shard]) != (row.blocks, row.clips):
            yield Finding(
                "coverage", row.shard, "shards.parquet counts other blocks or clips than its blocks"
            )


def cluster_findings(tables: Tables) -> Iterator[Finding]:
    """No cluster of ids that are alike is trained on and tested on.

    A timbre like one of the synth left out is tested on, too, on a side of its own: no leak.
    """
    for axis in AXES:
        rows = tables.axis(axis)
        spread = (rows["side"] == "train").groupby(rows["cluster"]).nunique()
        yield from some(
            "leak", ((f"{axis} cluster {c}", "stands on two sides") for c in spread.index[spread > 1])
        )
