"""What only all clips together can say: none doubled, every cell there, no audio twice, no leak."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from manifests.audit.checks.ranges import missing_cells
from manifests.audit.checks.rows import I64, Kept, spell
from manifests.audit.findings import Finding, some
from manifests.audit.tables import AXES, Tables
from manifests.splits.splits import SIDES_OF_SPLIT
from manifests.types import SPLITS


def join(kept: Sequence[Kept]) -> Kept:
    """The clips of all tables, in order."""
    names = ("ids", "cover", "split", "pcm", "rms", "heard")
    if not kept:
        return Kept(*(np.empty((0, 4) if n == "ids" else 0, dtype=np.int64) for n in names))  # type: ignore[arg-type]
    return Kept(*(np.concatenate([getattr(one, name) for one in kept]) for name in names))


def cells(clips: Kept, tables: Tables, planned: bool) -> I64:
    """Each clip's cell as a number, -1 for ids that no row has; `planned`: a substitute counts as planned."""
    timbre = clips.cover if planned else clips.ids[:, 1]
    ids = (timbre, clips.ids[:, 2], clips.ids[:, 3])
    counts = [len(tables.axis(axis)) for axis in AXES]
    inside = np.logical_and.reduce([(i >= 0) & (i < n) for i, n in zip(ids, counts, strict=True)])
    number: I64 = np.where(inside, (ids[0] * counts[1] + ids[1]) * counts[2] + ids[2], -1)
    return number


def doubled_findings(clips: Kept, tables: Tables) -> Iterator[Finding]:
    """No two rows have one key."""
    counts = [len(tables.axis(axis)) for axis in AXES]
    cell = cells(clips, tables, planned=False)
    key = np.where(cell < 0, -1, clips.ids[:, 0] * int(np.prod(counts)) + cell)
    order = np.argsort(key, kind="stable")
    key = key[order]
    twice = order[1:][(key[1:] == key[:-1]) & (key[1:] >= 0)]
    yield from some("keys", ((spell(clips.ids[i]), "has more than one row") for i in twice))


def coverage_findings(clips: Kept, tables: Tables) -> Iterator[Finding]:
    """Each split covers its product of ids exactly once; train and validation share theirs.

    A substitute counts as the timbre that it stands for.
    """
    number = cells(clips, tables, planned=True)
    for name, sides in SIDES_OF_SPLIT.items():
        if name == "validation":
            continue
        covers = ("train", "validation") if name == "train" else (name,)
        present = number[np.isin(clips.split, [SPLITS.index(split) for split in covers])]
        sizes = [int((tables.axis(a)["side"] == s).sum()) for a, s in zip(AXES, sides, strict=True)]
        wanted, different, of = int(np.prod(sizes)), distinct(present), "in the product"
        if sampled := _is_sampled(name, tables):
            planned = tables.blocks[tables.blocks["split"].isin(covers)]
            wanted, of = int(planned["clips"].sum()), "in the blocks sampled"
        if not len(present) == different == wanted:
            yield Finding(
                "coverage",
                name,
                f"{len(present)} clips on {different} cells, {wanted} {of}"
                + ("" if sampled else missing_cells(name, present, tables)),
            )
    for name, rows in tables.shards.groupby("split"):
        if name not in SPLITS:
            yield Finding("coverage", str(name), "in shards.parquet is no split")
        elif int(rows["clips"].sum()) != int((clips.split == SPLITS.index(str(name))).sum()):
            yield Finding(
                "coverage", str(name), "shards.parquet counts other clips than the clip tables hold"
            )


def _is_sampled(split: str, tables: Tables) -> bool:
    """Whether the config asks for a part of a split's product only."""
    splits = tables.config.get("splits")
    sampled = splits.get("sampled") if isinstance(splits, dict) else None
    return isinstance(sampled, dict) and sampled.get(split, 1.0) != 1.0


def distinct(values: I64) -> int:
    """How many different values there are: by sorting, far faster here than numpy.unique's hashing."""
    ordered = np.sort(values)
    return int((ordered[1:] != ordered[:-1]).sum()) + 1 if len(ordered) else 0


def leak_findings(clips: Kept, tables: Tables) -> Iterator[Finding]:
    """No id that a split calls unseen occurs in train; no audio under two keys."""
    split = np.array([*SPLITS, ""], dtype=object)[clips.split]
    for place, axis in enumerate(AXES, start=1):
        count = len(tables.axis(axis))
        inside = (clips.ids[:, place] >= 0) & (clips.ids[:, place] < count)
        train = np.isin(split, ["train", "validation"]) & inside
        unseen = np.isin(split, [f"test_unseen_{axis}", "test_unseen_all"]) & inside
        seen = [np.bincount(clips.ids[of, place], minlength=count) > 0 for of in (train, unseen)]
        both = np.flatnonzero(seen[0] & seen[1])
        yield from some("leak", ((f"{axis} {i}", "called unseen, but occurs in train") for i in both))
    order = np.argsort(clips.pcm, kind="stable")
    pcm = clips.pcm[order]
    twice = order[1:][(pcm[1:] == pcm[:-1]) & (pcm[1:] != 0)]
    yield from some("leak", ((spell(clips.ids[i]), "has the same audio as another clip") for i in twice))
