"""Cuts a product of ids into blocks, and blocks into shards, by pure vectorised functions.

A block is a small full factorial, contiguous in one shard. Blocks are ordered by phrase band, then timbre
group, then envelope group, so that consecutive blocks share dry phrases. Timbres are regrouped in each band,
so that a timbre meets other timbres there. Blocks are rows of arrays, not objects: half a million blocks,
thirty million clips, are cut in seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from manifests.splits.seeds import permutation
from manifests.types import InputError
from render.config import Blocks

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

NONE = -1
"""Pads the rows of smaller groups."""
AXES = ("timbres", "phrases", "envelopes")


@dataclass(frozen=True, slots=True)
class Block:
    """The ids of one block."""

    timbres: tuple[int, ...]
    phrases: tuple[int, ...]
    envelopes: tuple[int, ...]

    @property
    def clips(self) -> int:
        return len(self.timbres) * len(self.phrases) * len(self.envelopes)


@dataclass(frozen=True, slots=True)
class Cut:
    """Blocks in shard order: the ids of each axis, int32 [blocks, largest group], ascending, then `NONE`."""

    timbres: I32
    phrases: I32
    envelopes: I32

    def __len__(self) -> int:
        return len(self.timbres)

    def __getitem__(self, place: int) -> Block:
        rows = (getattr(self, axis)[place] for axis in AXES)
        return Block(*(tuple(row[row != NONE].tolist()) for row in rows))

    def take(self, which: Flags) -> Cut:
        """Returns the blocks selected by `which`, bool [blocks], in order."""
        return Cut(*(getattr(self, axis)[which] for axis in AXES))

    def clips(self) -> I64:
        """Returns the number of clips of each block, int64 [blocks]."""
        sizes = [(getattr(self, axis) != NONE).sum(axis=1) for axis in AXES]
        clips: I64 = sizes[0] * sizes[1] * sizes[2]
        return clips


def join(cuts: Sequence[Cut]) -> Cut:
    """Concatenates blocks in order."""

    def stacked(axis: str) -> I32:
        parts = [getattr(cut, axis) for cut in cuts]
        width = max((part.shape[1] for part in parts), default=0)
        wide = [np.pad(p, ((0, 0), (0, width - p.shape[1])), constant_values=NONE) for p in parts]
        return np.concatenate(wide) if wide else np.empty((0, 0), dtype=np.int32)

    return Cut(*(stacked(axis) for axis in AXES))


def cut_evenly(count: int, largest: int) -> list[int]:
    """Returns the sizes of as few parts as `largest` allows, as even as possible and never below 2.

    >>> cut_evenly(10, 4), cut_evenly(5, 4), cut_evenly(3, 2)
    ([4, 3, 3], [3, 2], [3])
    """
    parts = max(1, min(-(-count // largest), count // 2))
    base, extra = divmod(count, parts)
    return [base + 1] * extra + [base] * (parts - extra)


def _groups(ids: I32, largest: int) -> I32:
    """Cuts ids into groups in order; returns int32 [groups, largest group], padded with `NONE`."""
    sizes = cut_evenly(len(ids), largest)
    groups = np.full((len(sizes), max(sizes)), NONE, dtype=np.int32)
    start = 0
    for row, size in zip(groups, sizes, strict=True):
        row[:size] = np.sort(ids[start : start + size])
        start += size
    return groups


def cut_product(
    timbres: Sequence[int],
    envelopes: Sequence[int],
    phrases: Sequence[int],
    sizes: Blocks,
    seed: int,
    *what: str | int,
) -> Cut:
    """Cuts timbres x envelopes x phrases into blocks that cover it exactly once, in shard order.

    `what` names the product, its split first, and seeds its draws. Raises InputError if an axis has fewer
    than two ids.
    """
    for axis, ids in (("timbre", timbres), ("envelope", envelopes), ("phrase", phrases)):
        if len(ids) < 2:
            raise InputError(
                f"split {what[0]}: {len(ids)} {axis} id(s); partners need at least two of each axis"
            )

    def shuffled(ids: Sequence[int], *axis: str | int) -> I32:
        order = permutation(seed, len(ids), "block", *what, *axis)
        return np.array([ids[int(place)] for place in order], dtype=np.int32)

    bands = _groups(shuffled(phrases, "phrase"), sizes.phrases)
    envelope_groups = _groups(shuffled(envelopes, "envelope"), sizes.envelopes)
    regrouped = np.stack(
        [_groups(shuffled(timbres, "timbre", band), sizes.timbres) for band in range(len(bands))]
    )
    shape = (len(bands), regrouped.shape[1], len(envelope_groups))
    band, group, envelope = (axis.ravel() for axis in np.indices(shape, dtype=np.int32))
    return Cut(regrouped[band, group], bands[band], envelope_groups[envelope])


def spared(cut: Cut, wanted: int, seed: int, *what: str | int) -> Flags:
    """Draws up to `wanted` blocks so that each id keeps a block among the others; returns bool [blocks]."""
    numbers, start = [], 0
    for axis in AXES:
        ids = getattr(cut, axis)
        numbers.append(np.where(ids == NONE, NONE, ids + start))
        start += int(ids.max(initial=0)) + 1
    names = np.concatenate(numbers, axis=1)
    # The last place counts `NONE`, which never runs out of blocks.
    left = np.bincount(names[names != NONE].ravel(), minlength=start + 1)
    left[NONE] = len(cut) * names.shape[1] + 2
    out = np.zeros(len(cut), dtype=bool)
    taken = 0
    for place in permutation(seed, len(cut), *what):
        if taken >= wanted:
            break
        of = names[place]
        if left[of].min() > 1:
            left[of] -= 1
            out[place] = True
            taken += 1
    return out


def hold_out(cut: Cut, share: float, seed: int, *what: str | int) -> Flags:
    """Draws the train blocks that become validation: about `share` of them, at least one if share > 0.

    Returns bool [blocks]. Validation holds out cells, never ids: each id keeps a train block. Raises
    InputError if no block can be held out.
    """
    wanted = 0 if share <= 0.0 else max(1, int(share * len(cut) + 0.5))
    held = spared(cut, wanted, seed, "validation", *what)
    if wanted and not held.any():
        raise InputError(
            f"splits.validation {share}: {len(cut)} train block(s) are too few to hold one out;"
            " configure more ids or smaller blocks"
        )
    return held


def sample(cut: Cut, share: float, seed: int, *what: str | int) -> Cut:
    """Keeps about `share` of the blocks, and at least enough that every id has one."""
    return cut.take(~spared(cut, int((1.0 - share) * len(cut) + 0.5), seed, "sample", *what))


def in_shards(clips: I64, per_shard: int) -> I64:
    """Assigns blocks to contiguous shards of even cost, `per_shard` blocks on average: int64 [blocks]."""
    count = len(clips)
    shards = max(1, -(-count // per_shard))
    ends = np.cumsum(clips)
    cuts = np.searchsorted(ends - clips / 2, ends[-1] * np.arange(1, shards) / shards)
    # Every shard gets a block, however uneven the blocks are.
    steps = np.arange(1, shards)
    cuts = np.maximum.accumulate(np.maximum(cuts, steps) - steps) + steps
    cuts = np.minimum(cuts, count - shards + steps)
    place: I64 = np.searchsorted(cuts, np.arange(count), side="right")
    return place
