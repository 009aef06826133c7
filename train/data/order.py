"""In which order an epoch goes through the data: pure functions of (sizes, seed, epoch).

Blocks are permuted over the whole split, dealt to the ranks, and grouped into pools of consecutive ones;
the clips of a pool are permuted among themselves. So an epoch meets every clip once as a target, blocks and
clips come mixed, and only one pool need be in memory.
"""

from __future__ import annotations

import numpy as np

from manifests.seeds import permutation
from manifests.vocabulary import BadInput


def check_enough(blocks: int, pool: int, world: int, where: str) -> None:
    """BadInput, with the arithmetic, where a rank would have fewer blocks than one pool."""
    if blocks < pool * world:
        raise BadInput(
            f"{where}: {blocks} blocks for {world} rank(s) with pools of {pool}: at least {pool} x {world} ="
            f" {pool * world} are needed; render more blocks, or set data.pool_blocks to {blocks // world}"
            " or less"
        )


def pools(blocks: int, pool: int, seed: int, epoch: int, rank: int = 0, world: int = 1) -> list[list[int]]:
    """The pools of a rank in an epoch: lists of places in the split's blocks, each `pool` long or longer."""
    mine = permutation(seed, blocks, "blocks", epoch)[rank::world]
    return [part.tolist() for part in np.array_split(mine, max(1, len(mine) // pool))]


def pool_order(clips: list[int], seed: int, epoch: int, number: int) -> list[tuple[int, int]]:
    """The order of targets in pool `number`, whose blocks hold so many `clips`: (block of the pool, clip)."""
    places = [(block, clip) for block, count in enumerate(clips) for clip in range(count)]
    return [places[index] for index in permutation(seed, len(places), "clips", epoch, number)]
