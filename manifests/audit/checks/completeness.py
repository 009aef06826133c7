"""Completeness checks over all clips: no clip twice, and every cell of each split's product there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from manifests.audit.checks.ranges import missing_cells
from manifests.audit.checks.rows import I64, ClipColumns, clip_key
from manifests.audit.findings import Finding, findings_of
from manifests.audit.tables import AXES, Tables
from manifests.splits.splits import SIDES_OF_SPLIT
from manifests.types import SPLITS


def concatenate(columns: Sequence[ClipColumns]) -> ClipColumns:
    """Concatenates the clips of all clip tables, in order."""
    names = ("ids", "cover", "split", "pcm", "rms", "audible")
    if not columns:
        return ClipColumns(*(np.empty((0, 4) if n == "ids" else 0, dtype=np.int64) for n in names))  # type: ignore[arg-type]
    return ClipColumns(*(np.concatenate([getattr(one, name) for one in columns]) for name in names))


def cell_numbers(clips: ClipColumns, tables: Tables, planned: bool) -> I64:
    """Numbers the cell (timbre, envelope, phrase) of each clip, int64 [clips].

    Args:
        clips: The clips.
        tables: The dataset's tables.
        planned: Whether a substitute counts as the timbre that it stands for.

    Returns:
        Numbers from 0; -1 where an id has no row.
    """
    timbre = clips.cover if planned else clips.ids[:, 1]
    ids = (timbre, clips.ids[:, 2], clips.ids[:, 3])
    counts = [len(tables.axis(axis)) for axis in AXES]
    inside = np.logical_and.reduce([(i >= 0) & (i < n) for i, n in zip(ids, counts, strict=True)])
    number: I64 = np.where(inside, (ids[0] * counts[1] + ids[1]) * counts[2] + ids[2], -1)
    return number


def duplicate_findings(clips: ClipColumns, tables: Tables) -> Iterator[Finding]:
    """Checks that no two rows have the same key."""
    counts = [len(tables.axis(axis)) for axis in AXES]
    cell = cell_numbers(clips, tables, planned=False)
    key = np.where(cell < 0, -1, clips.ids[:, 0] * int(np.prod(counts)) + cell)
    order = np.argsort(key, kind="stable")
    key = key[order]
    twice = order[1:][(key[1:] == key[:-1]) & (key[1:] >= 0)]
    yield from findings_of("keys", ((clip_key(clips.ids[i]), "has more than one row") for i in twice))


def coverage_findings(clips: ClipColumns, tables: Tables) -> Iterator[Finding]:
    """Checks that each split covers its product of ids exactly once; train and validation share one.

    A substitute counts as the timbre that it stands for.
    """
    number = cell_numbers(clips, tables, planned=True)
    for name, sides in SIDES_OF_SPLIT.items():
        if name == "validation":
            continue
        covers = ("train", "validation") if name == "train" else (name,)
        present = number[np.isin(clips.split, [SPLITS.index(split) for split in covers])]
        sizes = [int((tables.axis(a)["side"] == s).sum()) for a, s in zip(AXES, sides, strict=True)]
        wanted, different, of = int(np.prod(sizes)), count_distinct(present), "in the product"
        if sampled := _is_sampled(name, tables):
            planned = tables.blocks[tables.blocks["split"].isin(covers)]
            wanted, of = int(planned["clips"].sum()), "in the blocks sampled"
        if not len(present) == different == wanted:
            missing = "" if sampled else missing_cells(name, present, tables)
            what = f"{len(present)} clips on {different} cells, {wanted} {of}{missing}"
            yield Finding("coverage", name, what)
    for name, rows in tables.shards.groupby("split"):
        if name not in SPLITS:
            yield Finding("coverage", str(name), "in shards.parquet is not a split")
        elif int(rows["clips"].sum()) != int((clips.split == SPLITS.index(str(name))).sum()):
            what = "shards.parquet counts other clips than the clip tables hold"
            yield Finding("coverage", str(name), what)


def _is_sampled(split: str, tables: Tables) -> bool:
    """Returns whether the config asks for a part of a split's product only."""
    splits = tables.config.get("splits")
    sampled = splits.get("sampled") if isinstance(splits, dict) else None
    return isinstance(sampled, dict) and sampled.get(split, 1.0) != 1.0


def count_distinct(values: I64) -> int:
    """Counts the different values of an array [n]."""
    # By sorting, which is far faster here than the hashing of numpy.unique.
    ordered = np.sort(values)
    return int((ordered[1:] != ordered[:-1]).sum()) + 1 if len(ordered) else 0
