"""The loader: an endless stream of examples, drawn from a pool of decoded blocks.

Threads only read and decode ahead. The order is a pure function of (seed, number of the example), see
`train.data.order`. So the stream is the same for any number of threads, resumes at any example, and is shared
out between any number of ranks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, NamedTuple

from manifests.splits.seeds import stream
from manifests.types import ClipId, InputError
from train.data.examples import Clip, Example, ExampleKind, Roles, draw_roles, example_seed
from train.data.order import check_enough, pool_order, pools
from train.data.source import ClipBlock, Source


class PlannedExample(NamedTuple):
    """An example before its audio is read: its roles and its seed."""

    roles: Roles
    seed: int


class Pool(NamedTuple):
    """This rank's examples of one pool, and the clips they need, as they are read."""

    targets: list[PlannedExample]
    clips: list[Future[dict[ClipId, Clip]]]


class Loader:
    """Yields the examples of a source for one rank of `world`. Use it as a context manager: it owns threads.

    Two pools at most are in memory: the one that examples are drawn from and the one read ahead. A rank holds
    its own share of each.

    Args:
        source: The blocks.
        kinds: Kinds of examples, drawn with equal probability.
        seed: Seed of the order and of all draws.
        pool_blocks: Blocks in a pool.
        threads: Threads that read and decode.
        rank: This process's number.
        world: Number of processes.

    Raises:
        InputError: If the source has too few blocks for a pool, or a pool too few for the ranks.

    Example:
        >>> with Loader(ShardSource(Tables.open(Path("dataset"))), ["both"], seed=0) as loader:
        ...     example = next(iter(loader))
    """

    def __init__(
        self,
        source: Source[Any],
        kinds: Sequence[ExampleKind],
        seed: int,
        pool_blocks: int = 16,
        threads: int = 2,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.source = source
        self.kinds = tuple(kinds)
        self.seed = seed
        self.pool_blocks = pool_blocks
        self.rank, self.world = rank, world
        blocks = source.blocks(0)
        check_enough(len(blocks), pool_blocks, world, source.where)
        self.epoch_examples = sum(block.clips for block in blocks)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="blocks")

    def __enter__(self) -> Loader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    def __iter__(self) -> Iterator[Example]:
        return self.examples(0)

    def examples(self, start: int) -> Iterator[Example]:
        """Yields this rank's examples without end: numbers start + rank, start + rank + world, … .

        Raises InputError if a clip cannot be read.
        """
        coming = self._pools(start)
        ahead = self._fetch(*next(coming))
        while True:
            pool, ahead = ahead, self._fetch(*next(coming))
            clips = {id: clip for part in pool.clips for id, clip in part.result().items()}
            for (kind, *ids), seed in pool.targets:
                target, content, timbre, envelope = (clips[id] for id in ids)
                yield Example(kind, target, content, timbre, envelope, seed)

    def keys(self, start: int, count: int) -> list[str]:
        """Returns the keys of the targets of examples `start` .. `start + count`, of all ranks, in order."""
        keys: list[str] = []
        for epoch, number, members, skip in self._order(start):
            targets = self._targets(epoch, number, members)[skip : skip + count - len(keys)]
            keys += [id.key for _, id in targets]
            if len(keys) == count:
                return keys
        raise InputError(f"{self.source.where}: holds no block")

    def _order(self, start: int) -> Iterator[tuple[int, int, list[ClipBlock], int]]:
        """Yields (epoch, number, blocks, examples to skip) of the pools from example `start` on."""
        epoch, skip = divmod(start, self.epoch_examples)
        while True:
            blocks = self.source.blocks(epoch)
            for number, members in enumerate(pools(len(blocks), self.pool_blocks, self.seed, epoch)):
                pool = [blocks[index] for index in members]
                count = sum(block.clips for block in pool)
                if skip < count:
                    yield epoch, number, pool, skip
                skip = max(0, skip - count)
            epoch += 1

    def _pools(self, start: int) -> Iterator[tuple[int, int, list[ClipBlock], range]]:
        """Yields (epoch, number, blocks, places of this rank's examples) of pools from example `start` on."""
        behind = self.rank
        for epoch, number, blocks, skip in self._order(start):
            count = sum(block.clips for block in blocks)
            mine = range(skip + behind, count, self.world)
            behind = (skip + behind - count) % self.world
            yield epoch, number, blocks, mine

    def _targets(self, epoch: int, number: int, blocks: list[ClipBlock]) -> list[tuple[ClipBlock, ClipId]]:
        ids = [block.ids() for block in blocks]
        order = pool_order([block.clips for block in blocks], self.seed, epoch, number)
        return [(blocks[block], ids[block][clip]) for block, clip in order]

    def _fetch(self, epoch: int, number: int, blocks: list[ClipBlock], mine: range) -> Pool:
        """Draws the roles of this rank's examples of a pool, and begins to read the clips that they need."""
        order = self._targets(epoch, number, blocks)
        targets = [self._target(epoch, *order[place]) for place in mine]
        needed: dict[int, set[ClipId]] = {block.block: set() for block in blocks}
        for roles, _ in targets:
            needed[roles.target.block].update(roles[1:])
        clips = [
            self._threads.submit(self._clips, block, needed[block.block])
            for block in blocks
            if needed[block.block]
        ]
        return Pool(targets, clips)

    def _clips(self, block: ClipBlock, needed: set[ClipId]) -> dict[ClipId, Clip]:
        wanted = [place for place, id in enumerate(block.ids()) if id in needed]
        return {clip.id: clip for clip in self.source.clips(block, wanted)}

    def _target(self, epoch: int, block: ClipBlock, target: ClipId) -> PlannedExample:
        seed = example_seed(self.seed, epoch, target.key)
        draws = stream(seed, "cast")
        kind = self.kinds[int(draws.random() * len(self.kinds))]
        axes = (tuple(block.timbres), tuple(block.phrases), tuple(block.envelopes))
        return PlannedExample(draw_roles(kind, target, axes, draws), seed)
