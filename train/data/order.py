"""In which order a run goes through the data: pure functions of (sizes, seed, epoch).

The blocks of a split are permuted and cut into pools of consecutive ones. A pool's examples come in rounds:
in each, every block of the pool that still has clips gives one, and each block gives its clips in an order of
its own. So an epoch meets every clip once as a target, blocks come mixed as evenly as can be, and only one
pool need be in memory.

The order is one for all ranks: of W ranks, rank r takes examples r, r + W, r + 2W, ... Where W divides a
pool and its blocks are of one size, those are just the clips of its own blocks r, r + W, ..., so that no
block is read by two ranks. Elsewhere (the last pool of an epoch, blocks of unequal sizes) ranks share blocks:
each reads those its examples need, and decodes of them only the clips it needs.
"""

from __future__ import annotations

from collections.abc import Sequence

from manifests.splits.seeds import permutation
from manifests.types import InputError


def check_enough(blocks: int, pool: int, world: int, where: str) -> None:
    """InputError, with the arithmetic, where a pool cannot be filled, or has no block for some rank."""
    if blocks < pool:
        raise InputError(
            f"{where}: {blocks} blocks cannot fill a pool of {pool}; render more blocks, or set"
            f" data.pool_blocks to {blocks} or less"
        )
    if pool < world:
        raise InputError(
            f"data.pool_blocks: {pool} blocks for {world} devices leave {world - pool} of them without one;"
            f" set it to {world} or more (a multiple of {world} reads nothing twice; {where} has {blocks})"
        )


def pools(blocks: int, pool: int, seed: int, epoch: int) -> list[list[int]]:
    """The pools of an epoch: places in the split's blocks, `pool` of them each; the last takes the rest
    too, so that it holds up to 2 x pool - 1."""
    order = permutation(seed, blocks, "blocks", epoch).tolist()
    starts = range(0, max(1, blocks // pool) * pool, pool)
    return [order[first : first + pool] for first in starts[:-1]] + [order[starts[-1] :]]


def pool_order(clips: Sequence[int], seed: int, epoch: int, number: int) -> list[tuple[int, int]]:
    """The order of targets in pool `number`, whose blocks hold so many `clips`: (block of the pool, clip)."""
    orders = [permutation(seed, n, "clips", epoch, number, place).tolist() for place, n in enumerate(clips)]
    return [
        (block, orders[block][turn])
        for turn in range(max(clips))
        for block in range(len(clips))
        if turn < clips[block]
    ]
