"""Batches: the examples of each step, cut into parts and collated ahead of training.

A step's `batch` examples are numbers step * batch onwards of the stream, whatever the number of devices. They
are dealt into `parts`: part p holds examples p, p + parts, ... of the step. A system sees one part at a time.
Losses and gradients are averaged over the parts, so they do not depend on which device a part is on. Rank r
of W has parts r, r + W, ...
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from math import lcm
from typing import Any

from manifests.types import InputError
from train.data.examples import Example
from train.data.loader import Loader

STEPS_AHEAD = 2
"""Steps whose batches are collated ahead of the one in training."""


def parts_of(batch: int, micro_batch: int | None, world: int, begun_with: int | None = None) -> int:
    """Computes the number of parts of a step of `batch` examples on `world` devices.

    Without `micro_batch` each device has one part. A run `begun_with` so many parts keeps them if it can.
    Raises InputError, with the arithmetic, if the parts cannot be dealt out evenly.

    Example: `parts_of(16, micro_batch=4, world=2)` is 4.
    """
    if micro_batch is not None and batch % micro_batch:
        raise InputError(f"micro_batch: {batch} examples a step do not divide into parts of {micro_batch}")
    parts = batch // micro_batch if micro_batch is not None else lcm(begun_with or 1, world)
    if parts % world:
        raise InputError(
            f"batch: {batch} examples in parts of {micro_batch} are {parts} part(s), which {world} devices"
            f" cannot share evenly; set micro_batch so that batch / micro_batch is a multiple of {world}"
        )
    if batch % parts:
        raise InputError(
            f"batch: {batch} examples a step do not divide into {parts} parts on {world} devices"
        )
    return parts


class Batches:
    """Collates this rank's parts of each step. Use it as a context manager, since it owns threads.

    Args:
        loader: The source of examples.
        collate: Makes a system's batch of the examples of one part.
        batch: Examples of a step on all ranks.
        parts: Parts of a step on all ranks.
        threads: Threads that collate.
    """

    def __init__(
        self,
        loader: Loader,
        collate: Callable[[Sequence[Example]], Any],
        batch: int,
        parts: int,
        threads: int,
    ) -> None:
        self.loader, self.collate = loader, collate
        self.batch = batch
        self.numbers = range(loader.rank, parts, loader.world)
        """Numbers of this rank's parts."""
        self.parts = parts
        self._coming: deque[tuple[list[Example], list[Future[Any]]]] = deque()
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="batches")

    def __enter__(self) -> Batches:
        self.loader.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
        self.loader.__exit__(*error)

    def steps(self, first: int) -> Iterator[list[Any]]:
        """Yields this rank's collated parts of each step from `first` on, in the order of `numbers`."""
        examples = self.loader.examples(first * self.batch)
        self._coming.clear()
        while True:
            while len(self._coming) <= STEPS_AHEAD:
                mine = list(islice(examples, self.batch // self.loader.world))
                self._coming.append((mine, self._collated(mine)))
            _, parts = self._coming.popleft()
            yield [part.result() for part in parts]

    def _collated(self, mine: list[Example]) -> list[Future[Any]]:
        count = len(self.numbers)
        return [self._threads.submit(self.collate, mine[place::count]) for place in range(count)]

    def recollate(self) -> None:
        """Collates again what was collated ahead, after `collate` has changed."""
        for _ in range(len(self._coming)):
            mine, parts = self._coming.popleft()
            for part in parts:
                part.cancel()
            self._coming.append((mine, self._collated(mine)))

    def keys(self, step: int, numbers: Sequence[int] | None = None) -> list[str]:
        """Returns the keys of a step's targets on all ranks in order; with `numbers`, of these parts."""
        every = self.loader.keys(step * self.batch, self.batch)
        wanted = range(self.parts) if numbers is None else numbers
        return [key for place, key in enumerate(every) if place % self.parts in wanted]
