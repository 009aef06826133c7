"""Cutting a product of ids into blocks, and blocks into shards: pure functions of counts, all at once.

A block is a small full factorial, contiguous in one shard. Within a product the order is: phrase bands,
then timbre groups, then envelope groups. So consecutive blocks share their dry phrases, and timbres are
regrouped in each band: a timbre does not meet the same mates for ever. Blocks are rows of arrays, never
objects: half a million of them, thirty million clips, are cut in seconds.
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
"""Fills up the rows of smaller groups."""
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
        """The blocks that are flagged, in order."""
        return Cut(*(getattr(self, axis)[which] for axis in AXES))

    def clips(self) -> I64:
        """The number of clips of each block."""
        sizes = [(getattr(self, axis) != NONE).sum(axis=1) for axis in AXES]
        clips: I64 = sizes[0] * sizes[1] * sizes[2]
        return clips


def join(cuts: Sequence[Cut]) -> Cut:
    """Blocks one after the other."""

    def stacked(axis: str) -> I32:
        parts = [getattr(cut, axis) for cut in cuts]
        width = max((part.shape[1] for part in parts), default=0)
        wide = [np.pad(p, ((0, 0), (0, width - p.shape[1])), constant_values=NONE) for p in parts]
        return np.concatenate(wide) if wide else np.empty((0, 0), dtype=np.int32)

    return Cut(*(stacked(axis) for axis in AXES))


def cut_evenly(count: int, largest: int) -> list[int]:
    """Sizes of as few parts as `largest` allows, as even as can be and never below 2.

    >>> cut_evenly(10, 4), cut_evenly(5, 4), cut_evenly(3, 2)
    ([4, 3, 3], [3, 2], [3])
    """
    parts = max(1, min(-(-count // largest), count // 2))
    base, extra = divmod(count, parts)
    return [base + 1] * extra + [base] * (parts - extra)


def _groups(ids: I32, largest: int) -> I32:
    """Ids cut into groups, in order: int32 [groups, largest group]."""
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
    """The blocks that cover timbres x envelopes x phrases exactly once, in shard order.

    `what` names the product, its split first: other products are grouped by other draws.
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
    """Up to `wanted` blocks, drawn so that each id of the product keeps a block among the others."""
    numbers, start = [], 0
    for axis in AXES:
        ids = getattr(cut, axis)
        numbers.append(np.where(ids == NONE, NONE, ids + start))
        start += int(ids.max(initial=0)) + 1
    names = np.concatenate(numbers, axis=1)
    # The last place is that of `NONE`, which is never short of blocks.
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
    """Which train blocks become validation: about `share` of them, at least one if share > 0.

    Validation holds out cells, never ids: each id keeps a train block. InputError if no block can go.
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
    """About `share` of the blocks, and at least so many that every id has one."""
    return cut.take(~spared(cut, int((1.0 - share) * len(cut) + 0.5), seed, "sample", *what))


def in_shards(clips: I64, per_shard: int) -> I64:
    """The shard of each block, from 0: contiguous, of even cost (clips) and `per_shard` blocks on average."""
    count = len(clips)
    shards = max(1, -(-count // per_shard))
    ends = np.cumsum(clips)
    cuts = np.searchsorted(ends - clips / 2, ends[-1] * np.arange(1, shards) / shards)
    # No shard without a block, however uneven the blocks are.
    steps = np.arange(1, shards)
    cuts = np.maximum.accumulate(np.maximum(cuts, steps) - steps) + steps
    cuts = np.minimum(cuts, count - shards + steps)
    place: I64 = np.searchsorted(cuts, np.arange(count), side="right")
    return place
