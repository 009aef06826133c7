"""The loader: an endless stream of examples from a pool of decoded blocks.

Threads only read and decode ahead; what comes when is a pure function of (seed, epoch, place), see
`train.data.order`. So the stream is the same for any number of threads, and goes on from any example.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import NamedTuple

from manifests.seeds import stream
from manifests.vocabulary import BadInput, ClipId
from train.data.blocks import I16, read_block
from train.data.examples import Clip, Example, ExampleKind, cast, example_seed
from train.data.order import check_enough, pool_order, pools
from train.data.tables import Block, Tables


class Place(NamedTuple):
    """Where a stream is: the next example to come is number `example` of `epoch`."""

    epoch: int = 0
    example: int = 0


class Loader:
    """Examples of a split, for one rank. Use as a context manager: it owns threads.

    At most two pools are in memory: the one that examples are drawn from and the one decoded ahead.
    """

    def __init__(
        self,
        tables: Tables,
        kinds: Sequence[ExampleKind],
        seed: int,
        pool_blocks: int = 16,
        threads: int = 2,
        place: Place = Place(),  # noqa: B008
        rank: int = 0,
        world: int = 1,
        split: str = "train",
    ) -> None:
        self.tables = tables
        self.kinds = tuple(kinds)
        self.seed = seed
        self.pool_blocks = pool_blocks
        self.rank, self.world = rank, world
        self.place = place
        self.blocks = tables.blocks(split)
        check_enough(len(self.blocks), pool_blocks, world, f"{tables.layout.root}: split {split!r}")
        for block in self.blocks:
            if min(len(block.timbres), len(block.phrases), len(block.envelopes)) < 2:
                raise BadInput(
                    f"{tables.layout.table('blocks')}: block {block.block} has an axis with one id only; a"
                    " target there has no partner, render with at least 2 on each axis"
                )
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="blocks")

    def __enter__(self) -> Loader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    def __iter__(self) -> Iterator[Example]:
        """Examples from `place` on, without end; `place` is always that of the next one."""
        turns = self._pools()
        ahead = self._fetch(next(turns))
        if ahead[0] != self.place.epoch:  # it stood behind the last example of an epoch
            self.place = Place(ahead[0], 0)
        while True:
            epoch, number, first, members, futures = ahead
            sounds = [future.result() for future in futures]
            ahead = self._fetch(next(turns))
            order = pool_order([block.clips for block in members], self.seed, epoch, number)
            skip = self.place.example - first
            for block, clip in order[skip:]:
                example = self._example(epoch, members[block], sounds[block], clip)
                self.place = Place(epoch, self.place.example + 1)
                yield example
            if ahead[0] != epoch:
                self.place = Place(ahead[0], 0)

    def _pools(self) -> Iterator[tuple[int, int, int, list[Block]]]:
        """(epoch, number, index of its first example, blocks) of each pool from `place` on."""
        epoch, wanted = self.place
        while True:
            first = 0
            for number, members in enumerate(
                pools(len(self.blocks), self.pool_blocks, self.seed, epoch, self.rank, self.world)
            ):
                blocks = [self.blocks[index] for index in members]
                count = sum(block.clips for block in blocks)
                if first + count > wanted:
                    yield epoch, number, first, blocks
                first += count
            if wanted > first:
                raise BadInput(
                    f"{self.tables.layout.root}: example {wanted} of an epoch of {first} asked for"
                )
            epoch, wanted = epoch + 1, 0

    def _fetch(
        self, pool: tuple[int, int, int, list[Block]]
    ) -> tuple[int, int, int, list[Block], list[Future[I16]]]:
        layout = self.tables.layout
        return *pool, [self._threads.submit(read_block, layout, block) for block in pool[3]]

    def _example(self, epoch: int, block: Block, sounds: I16, clip: int) -> Example:
        ids = block.ids()
        target = ids[clip]
        seed = example_seed(self.seed, epoch, target.key)
        draws = stream(seed, "cast")
        kind = self.kinds[int(draws.random() * len(self.kinds))]
        roles = cast(kind, target, (block.timbres, block.phrases, block.envelopes), draws)
        place = {id: index for index, id in enumerate(ids)}
        rows = self.tables.clip_rows(block.shard)

        def made(id: ClipId) -> Clip:
            return Clip(
                id,
                sounds[place[id]],
                self.tables.sounding(id.timbre, id.phrase),
                self.tables.envelopes[id.envelope],
                rows[id.key]["gain"],
            )

        return Example(
            kind, made(roles.target), made(roles.content), made(roles.timbre), made(roles.envelope), seed
        )
