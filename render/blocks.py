"""Cutting each split's product of ids into blocks, and blocks into shards: pure functions of counts.

A block is a small full factorial, contiguous in one shard. Within a split the order is: phrase bands,
then timbre groups, then envelope groups. So consecutive blocks share their dry phrases, and timbres are
regrouped in each band: a timbre does not meet the same mates for ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from manifests.layout import shard_path
from manifests.seeds import permutation
from manifests.vocabulary import BadInput
from render.config import Blocks


@dataclass(frozen=True, slots=True)
class Block:
    """The ids of one block."""

    timbres: tuple[int, ...]
    phrases: tuple[int, ...]
    envelopes: tuple[int, ...]

    @property
    def clips(self) -> int:
        return len(self.timbres) * len(self.phrases) * len(self.envelopes)


def cut_evenly(count: int, largest: int) -> list[int]:
    """Sizes of as few parts as `largest` allows, as even as can be and never below 2.

    >>> cut_evenly(10, 4), cut_evenly(5, 4), cut_evenly(3, 2)
    ([4, 3, 3], [3, 2], [3])
    """
    parts = max(1, min(-(-count // largest), count // 2))
    base, extra = divmod(count, parts)
    return [base + 1] * extra + [base] * (parts - extra)


def _groups(ids: Sequence[int], largest: int) -> Iterator[tuple[int, ...]]:
    start = 0
    for size in cut_evenly(len(ids), largest):
        yield tuple(ids[start : start + size])
        start += size


def cut_product(
    timbres: Sequence[int],
    envelopes: Sequence[int],
    phrases: Sequence[int],
    sizes: Blocks,
    seed: int,
    split: str,
) -> Iterator[Block]:
    """The blocks that cover timbres x envelopes x phrases exactly once, lazily, in shard order."""
    for axis, ids in (("timbre", timbres), ("envelope", envelopes), ("phrase", phrases)):
        if len(ids) < 2:
            raise BadInput(f"split {split}: {len(ids)} {axis} id(s); partners need at least two of each axis")
    shuffled = {
        axis: [ids[int(i)] for i in permutation(seed, len(ids), "block", split, axis)]
        for axis, ids in (("phrase", phrases), ("envelope", envelopes))
    }
    for band, phrase_group in enumerate(_groups(shuffled["phrase"], sizes.phrases)):
        regrouped = [timbres[int(i)] for i in permutation(seed, len(timbres), "block", split, "timbre", band)]
        for timbre_group in _groups(regrouped, sizes.timbres):
            for envelope_group in _groups(shuffled["envelope"], sizes.envelopes):
                yield Block(
                    tuple(sorted(timbre_group)), tuple(sorted(phrase_group)), tuple(sorted(envelope_group))
                )


def hold_out(blocks: Sequence[Block], share: float, seed: int) -> list[bool]:
    """Which train blocks become validation: about `share` of them, at least one if share > 0.

    A block is passed over if taking it would leave one of its ids without any train block: validation
    holds out cells, never ids.
    """
    wanted = 0 if share <= 0.0 else max(1, int(share * len(blocks) + 0.5))
    left: dict[tuple[str, int], int] = {}
    ids = [
        [*(("t", i) for i in b.timbres), *(("p", i) for i in b.phrases), *(("e", i) for i in b.envelopes)]
        for b in blocks
    ]
    for names in ids:
        for name in names:
            left[name] = left.get(name, 0) + 1
    held = np.zeros(len(blocks), dtype=bool)
    taken = 0
    for place in permutation(seed, len(blocks), "validation"):
        if taken == wanted:
            break
        names = ids[int(place)]
        if all(left[name] > 1 for name in names):
            held[place] = True
            taken += 1
            for name in names:
                left[name] -= 1
    if taken < wanted and taken == 0:
        raise BadInput(
            f"splits.validation {share}: {len(blocks)} train block(s) are too few to hold one out;"
            " configure more ids or smaller blocks"
        )
    return [bool(flag) for flag in held]


def shard_of(split: str, place: int, per_shard: int) -> str:
    """The shard of the block at `place` in its split."""
    return shard_path(split, place // per_shard)
