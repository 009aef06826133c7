"""Stores a generation's result of the first stage: timbres, failures and blocks, as growing tables."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from manifests.dataset.layout import KEPT, Layout, to_table, write_table
from manifests.dataset.storage import list_files
from render.config import Config
from render.planning.product import cut_blocks

Rows = list[dict[str, Any]]

COUNTS = "triptych_tones_failures"
"""Key in failures.parquet's metadata: the number of casting failures of each generation."""


@dataclass(frozen=True, slots=True)
class Cast:
    """Result of casting up to a generation: timbres, casting failures, their counts by generation, blocks."""

    timbres: Rows
    failures: Rows
    counts: list[int]
    blocks: pa.Table | None
    labels: Rows | None = None
    """Rows of labels.parquet; None if labels are not checked."""

    def grown(self, config: Config, timbres: Rows, failures: Rows, layout: Layout, generation: int) -> Cast:
        """Returns the result with a generation's timbres added, and the blocks cut from them.

        A new timbre's row holds its rows of labels.parquet as `labels`, where labels are checked.
        """
        envelopes, phrases = (
            [row for row in layout.read(name).to_pylist() if row["generation"] <= generation]
            for name in ("envelopes", "phrases")
        )
        blocks = cut_blocks(config, timbres, envelopes, phrases, self.blocks, generation)
        labels = [
            {"timbre": row["timbre"], **label} for row in timbres for label in row.pop("labels", ())
        ]  # fmt: skip
        known = [*(self.labels or []), *labels] if config.shaping == "plugin" else None
        return Cast(timbres, failures, [*self.counts, len(failures) - len(self.failures)], blocks, known)

    def write(self, layout: Layout) -> None:
        """Writes the tables. blocks.parquet is last and commits the generation's casting."""
        write_table(layout.table("timbres"), to_table("timbres", self.timbres))
        write_table(layout.table("failures"), failures_table(self.failures, self.counts))
        if self.labels is not None:
            write_table(layout.table("labels"), to_table("labels", self.labels))
        write_table(layout.table("blocks"), self.blocks)


def drop_kept(layout: Layout, needed: set[str]) -> None:
    """Deletes kept tones of presets that are no timbres; `needed` are the hashes of those that are."""
    folder = layout.root / KEPT
    for name in list_files(folder):
        if name.split(".")[0] not in needed:
            (folder / name).unlink()


def read_before(layout: Layout, generation: int) -> Cast:
    """Reads the tables as earlier generations left them, without what this generation began to write."""
    if generation == 0:
        return Cast([], [], [], None)
    timbres = layout.read("timbres").to_pylist(maps_as_pydicts="strict")
    failures, counts = read_failures(layout)
    counts = counts[:generation]
    return Cast(
        [row for row in timbres if row["generation"] < generation],
        failures[: sum(counts)],
        counts,
        layout.read("blocks"),
        _labels_before(layout, generation, timbres),
    )


def _labels_before(layout: Layout, generation: int, timbres: Rows) -> Rows | None:
    """Reads the rows of labels.parquet of earlier generations' timbres; None if there is no such table."""
    if not layout.table("labels").exists():
        return None
    known = {row["timbre"] for row in timbres if row["generation"] < generation}
    return [row for row in layout.read("labels").to_pylist() if row["timbre"] in known]


def failures_table(failures: Rows, counts: list[int]) -> pa.Table:
    """Builds failures.parquet. Casting failures come first."""
    return to_table("failures", failures, {COUNTS: json.dumps(counts)})


def read_failures(layout: Layout) -> tuple[Rows, list[int]]:
    """Reads the casting failures and their number per generation."""
    table = layout.read("failures")
    rows = [row for row in table.to_pylist() if row["stage"] == "tones"]
    counts = (table.schema.metadata or {}).get(COUNTS.encode())
    return rows, [len(rows)] if counts is None else json.loads(counts)
