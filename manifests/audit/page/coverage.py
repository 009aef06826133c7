"""The page's coverage: which cells of the grid are there, which are missing, and why."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from manifests.audit.checks.completeness import cells, distinct
from manifests.audit.checks.rows import I64, Kept
from manifests.audit.page import draw
from manifests.audit.page.markup import figure, grid, section, table
from manifests.audit.tables import AXES, Tables
from manifests.splits.splits import SIDES_OF_SPLIT
from manifests.types import SPLITS

BINS = 40
"""A map has at most about this many rows and columns, however many ids there are."""
SIDES = ("train", "test", "synth", "other")
SHOWN = 3
PRODUCTS = {name: sides for name, sides in SIDES_OF_SPLIT.items() if name != "validation"}
"""The splits that are a product of their own; validation holds out cells of train's."""


def sides_of(tables: Tables, axis: str) -> npt.NDArray[np.object_]:
    """The side of each id of an axis; "other" where a table says something else."""
    said = tables.axis(axis)["side"].to_numpy(dtype=object)
    return np.array([side if side in SIDES else "other" for side in said], dtype=object)


def coverage(tables: Tables, clips: Kept) -> str:
    """The maps and the table, as a section."""
    note = (
        'Ids in the order of their sides: <b class="train">train</b> first, then'
        ' <b class="test">one unseen axis</b>, then <b class="both">two</b>. The stronger a colour, the more'
        " of the third axis is there; two unseen axes are rendered only where the third is unseen, too."
        ' <b class="asked">Missing or too many</b>: other clips than the splits\' products have.'
    )
    return section("Coverage", note, grid(_maps(tables, clips), wide=True) + _why(tables, clips))


def _bins(sides: npt.NDArray[np.object_]) -> tuple[I64, list[str]]:
    """A bin for each id, ids of one side together and never in one bin with another's; each bin's side."""
    names: list[str] = []
    bins = np.zeros(len(sides), dtype=np.int64)
    for side in SIDES:
        ids = np.flatnonzero(sides == side)
        count = min(len(ids), max(1, round(BINS * len(ids) / len(sides)))) if len(ids) else 0
        if count:
            bins[ids] = len(names) + np.arange(len(ids)) * count // len(ids)
            names += [side] * count
    return bins, names


def _maps(tables: Tables, clips: Kept) -> list[str]:
    """For each pair of axes: the clips there are, against those the splits' products have."""
    sides = {axis: sides_of(tables, axis) for axis in AXES}
    binned = {axis: _bins(sides[axis]) for axis in AXES}
    ids = {axis: clips.cover if axis == "timbre" else clips.ids[:, i] for i, axis in enumerate(AXES, start=1)}
    inside = np.logical_and.reduce([(ids[a] >= 0) & (ids[a] < len(tables.axis(a))) for a in AXES])
    pictures = []
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
        kind = np.array([[_kind(a, b) for b in column_sides] for a in row_sides])
        wrong = count != wanted
        share[wrong], kind[wrong] = 1.0, "asked"
        pictures.append(figure(f"{rows}s × {columns}s", draw.heat(share, kind, f"{rows}s", f"{columns}s")))
    return pictures


def _depths(
    axes: tuple[str, str, str], sides: dict[str, npt.NDArray[np.object_]]
) -> dict[tuple[str, str], int]:
    """How many ids of the third axis belong to a pair of sides of the first two, over all splits."""
    first, second, third = (AXES.index(axis) for axis in axes)
    found: dict[tuple[str, str], int] = {}
    for product in PRODUCTS.values():
        pair = (product[first], product[second])
        found[pair] = found.get(pair, 0) + int((sides[axes[2]] == product[third]).sum())
    return found


def _kind(row: str, column: str) -> str:
    return "train" if row == column == "train" else "both" if "train" not in (row, column) else "test"


def _why(tables: Tables, clips: Kept) -> str:
    """For each split: the cells of its product, those that are there, and where the others went."""
    number = cells(clips, tables, planned=True)
    held = np.bincount(clips.ids[_known(clips, tables), 0], minlength=len(tables.blocks))
    blocks = tables.blocks
    short = held[: len(blocks)] < blocks["clips"].to_numpy()
    sides = {axis: sides_of(tables, axis) for axis in AXES}
    rows = []
    for name, product in PRODUCTS.items():
        wanted = int(np.prod([(sides[axis] == side).sum() for axis, side in zip(AXES, product, strict=True)]))
        covers = ("train", "validation") if name == "train" else (name,)
        of = np.isin(clips.split, [SPLITS.index(split) for split in covers])
        belongs = of & (number >= 0)
        for axis, ids, side in zip(AXES, (clips.cover, *clips.ids[:, 2:].T), product, strict=True):
            belongs[belongs] = sides[axis][ids[belongs]] == side
        there = distinct(number[belongs])
        ours = blocks["split"].isin(covers).to_numpy()
        planned = int(blocks["clips"][ours].sum())
        stood_in = int((clips.cover[of] != clips.ids[of, 1]).sum())
        why = [f"{wanted - planned:,} are in no block"] if planned < wanted else []
        if shards := sorted(set(blocks["shard"][ours & short])):
            more = f" and {len(shards) - SHOWN} more" if len(shards) > SHOWN else ""
            why.append(f"not in the clip table of {', '.join(shards[:SHOWN])}{more}")
        if wanted or there:
            title = " + ".join(covers)
            missing = wanted - there
            said = "; ".join(why) if missing else ""
            rows.append([title, f"{wanted:,}", f"{there:,}", f"{missing:,}", f"{stood_in:,}", said])
    return table(["split", "cells", "there", "missing", "by a substitute", "why they are missing"], rows)


def _known(clips: Kept, tables: Tables) -> npt.NDArray[np.bool_]:
    """Which clips name a block that there is."""
    block = clips.ids[:, 0]
    return np.asarray((block >= 0) & (block < len(tables.blocks)))
