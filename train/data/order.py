"""The order in which a run goes through the data: pure functions of (sizes, seed, epoch).

The blocks of a split are permuted and cut into pools of consecutive blocks. A pool's examples come in rounds.
In each round every block that still has clips gives one, in an order of its own. So an epoch meets every clip
once as a target, blocks are mixed as evenly as possible, and only one pool need be in memory.

All ranks share one order. Of W ranks, rank r takes examples r, r + W, r + 2W, ... Where W divides a pool and
its blocks are of one size, these are the clips of its own blocks r, r + W, ..., so that no block is read by
two ranks. Elsewhere (the last pool of an epoch, blocks of unequal sizes) ranks share blocks. Each reads the
blocks its examples need, and decodes only the clips it needs.
"""

from __future__ import annotations

from collections.abc import Sequence

from manifests.splits.seeds import permutation
from manifests.types import InputError


def check_enough(blocks: int, pool: int, world: int, where: str) -> None:
    """Raises InputError, with the arithmetic, if a pool cannot be filled or has no block for some rank."""
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
    """Returns the pools of an epoch, each `pool` places in the split's blocks.

    The last one takes the rest too, so that it holds up to 2 x pool - 1.
    """
    order = permutation(seed, blocks, "blocks", epoch).tolist()
    starts = range(0, max(1, blocks // pool) * pool, pool)
    return [order[first : first + pool] for first in starts[:-1]] + [order[starts[-1] :]]


def pool_order(clips: Sequence[int], seed: int, epoch: int, number: int) -> list[tuple[int, int]]:
    """Returns the order of targets in pool `number`, whose blocks hold `clips` clips: (block, clip) each."""
    orders = [permutation(seed, n, "clips", epoch, number, place).tolist() for place, n in enumerate(clips)]
    return [
        (block, orders[block][turn])
        for turn in range(max(clips))
        for block in range(len(clips))
        if turn < clips[block]
    ]
