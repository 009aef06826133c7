"""Section of coverage: which cells (timbre, envelope, phrase) have clips, which lack them, and why."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from manifests.audit.checks.completeness import cell_numbers, count_distinct
from manifests.audit.checks.rows import I64, ClipColumns
from manifests.audit.page import draw
from manifests.audit.page.sections import Figure, Grid, Section, Table
from manifests.audit.tables import AXES, Tables
from manifests.splits.splits import SIDES_OF_SPLIT
from manifests.types import SPLITS

Sides = dict[str, npt.NDArray[np.object_]]
"""The side of each id, by axis."""

BINS = 40
"""A map has at most about this many rows and columns, however many ids there are."""
SIDES = ("train", "test", "synth", "other")
"""Sides in the order they are drawn in; "other" is none that a table may name."""
MAX_SHARDS = 3
"""Shards that are named where clips are missing."""
PRODUCTS = {name: sides for name, sides in SIDES_OF_SPLIT.items() if name != "validation"}
"""The splits that are a product of their own; validation is cells held out of train's product."""

NOTE = Markup(
    'Ids are sorted by side: <b class="train">train</b> first, then <b class="test">one unseen axis</b>, then'
    ' <b class="both">two</b>. A colour is stronger where more ids of the third axis have clips.'
    " Cells with two unseen axes are rendered only where the third is unseen, too."
    ' <b class="asked">Missing or too many</b>: clips differ from the product of the split.'
)


def sides_of(tables: Tables, axis: str) -> npt.NDArray[np.object_]:
    """Returns the side of each id of an axis, [ids]; "other" where the table names no side."""
    sides = tables.axis(axis)["side"].to_numpy(dtype=object)
    return np.array([side if side in SIDES else "other" for side in sides], dtype=object)


def coverage_section(tables: Tables, clips: ClipColumns) -> Section:
    """Makes the section: a map for each pair of axes, and a table of what is missing by split."""
    sides = {axis: sides_of(tables, axis) for axis in AXES}
    return Section(
        "Coverage", NOTE, [Grid(_maps(tables, clips, sides), True), _missing(tables, clips, sides)]
    )


def _bins(sides: npt.NDArray[np.object_]) -> tuple[I64, list[str]]:
    """Returns the bin of each id, [ids], and the side of each bin.

    A bin holds ids of one side; bins of a side stand together.
    """
    names: list[str] = []
    bins = np.zeros(len(sides), dtype=np.int64)
    for side in SIDES:
        ids = np.flatnonzero(sides == side)
        count = min(len(ids), max(1, round(BINS * len(ids) / len(sides)))) if len(ids) else 0
        if count:
            bins[ids] = len(names) + np.arange(len(ids)) * count // len(ids)
            names += [side] * count
    return bins, names


def _maps(tables: Tables, clips: ClipColumns, sides: Sides) -> list[Figure]:
    """For each pair of axes, compare the clips that exist with the product of each split."""
    binned = {axis: _bins(sides[axis]) for axis in AXES}
    ids = {axis: clips.cover if axis == "timbre" else clips.ids[:, i] for i, axis in enumerate(AXES, start=1)}
    inside = np.logical_and.reduce([(ids[a] >= 0) & (ids[a] < len(tables.axis(a))) for a in AXES])
    figures = []
    for rows, columns, third in (AXES, ("timbre", "phrase", "envelope"), ("envelope", "phrase", "timbre")):
        (of_row, row_sides), (of_column, column_sides) = binned[rows], binned[columns]
        shape = (len(row_sides), len(column_sides))
        if 0 in shape:
            continue
        place = of_row[ids[rows][inside]] * shape[1] + of_column[ids[columns][inside]]
        count = np.bincount(place, minlength=shape[0] * shape[1]).reshape(shape)
        size = np.outer(np.bincount(of_row, minlength=shape[0]), np.bincount(of_column, minlength=shape[1]))
        depth = _depths((rows, columns, third), sides)
        wanted = size * np.array([[depth.get((a, b), 0) for b in column_sides] for a in row_sides])
        share = np.round(wanted / (size * max(len(sides[third]), 1)), 2)
        kind = np.array([[_colour(a, b) for b in column_sides] for a in row_sides])
        wrong = count != wanted
        share[wrong], kind[wrong] = 1.0, "asked"
        picture = draw.heat_map(share, kind, f"{rows}s", f"{columns}s")
        figures.append(Figure(f"{rows}s × {columns}s", picture))
    return figures


def _depths(axes: tuple[str, str, str], sides: Sides) -> dict[tuple[str, str], int]:
    """Counts the third axis's ids that belong to each pair of sides of the first two, over all splits."""
    first, second, third = (AXES.index(axis) for axis in axes)
    depths: dict[tuple[str, str], int] = {}
    for product in PRODUCTS.values():
        pair = (product[first], product[second])
        depths[pair] = depths.get(pair, 0) + int((sides[axes[2]] == product[third]).sum())
    return depths


def _colour(row: str, column: str) -> str:
    return "train" if row == column == "train" else "both" if "train" not in (row, column) else "test"


def _missing(tables: Tables, clips: ClipColumns, sides: Sides) -> Table:
    """For each split, count the cells of its product, those with a clip, and say where the others are."""
    number = cell_numbers(clips, tables, planned=True)
    held = np.bincount(clips.ids[_in_known_block(clips, tables), 0], minlength=len(tables.blocks))
    blocks = tables.blocks
    short = held[: len(blocks)] < blocks["clips"].to_numpy()
    rows = []
    for name, product in PRODUCTS.items():
        wanted = int(np.prod([(sides[axis] == side).sum() for axis, side in zip(AXES, product, strict=True)]))
        covers = ("train", "validation") if name == "train" else (name,)
        of = np.isin(clips.split, [SPLITS.index(split) for split in covers])
        belongs = of & (number >= 0)
        for axis, ids, side in zip(AXES, (clips.cover, *clips.ids[:, 2:].T), product, strict=True):
            belongs[belongs] = sides[axis][ids[belongs]] == side
        present = count_distinct(number[belongs])
        ours = blocks["split"].isin(covers).to_numpy()
        planned = int(blocks["clips"][ours].sum())
        substitutes = int((clips.cover[of] != clips.ids[of, 1]).sum())
        reasons = [f"{wanted - planned:,} are in no block"] if planned < wanted else []
        if shards := sorted(set(blocks["shard"][ours & short])):
            more = f" and {len(shards) - MAX_SHARDS} more" if len(shards) > MAX_SHARDS else ""
            reasons.append(f"not in the clip table of {', '.join(shards[:MAX_SHARDS])}{more}")
        if wanted or present:
            missing = wanted - present
            counts = [f"{count:,}" for count in (wanted, present, missing, substitutes)]
            rows.append([" + ".join(covers), *counts, "; ".join(reasons) if missing else ""])
    titles = ["split", "cells", "present", "missing", "by a substitute", "why they are missing"]
    return Table(titles, rows)


def _in_known_block(clips: ClipColumns, tables: Tables) -> npt.NDArray[np.bool_]:
    """Returns which clips name a block of blocks.parquet, [clips]."""
    block = clips.ids[:, 0]
    return np.asarray((block >= 0) & (block < len(tables.blocks)))
