"""Batches: the examples of each step, cut into parts and collated ahead of the training.

A step's `batch` examples are numbers step * batch and up of the stream, whatever the number of devices. They
are dealt into `parts`: part p is examples p, p + parts, ... of the step. A part is what a system sees at
once, so losses and gradients, which are averaged over the parts, do not depend on which device a part is on.
Rank r of W has parts r, r + W, ...
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
"""Steps whose batches are made while an earlier one is trained on."""


def parts_of(batch: int, micro_batch: int | None, world: int, begun_with: int | None = None) -> int:
    """How many parts a step has. InputError, with the arithmetic, where they cannot be dealt out evenly.

    Without `micro_batch`, each device has one; a run `begun_with` so many parts keeps them where it can.
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
    """The parts of each step that are this rank's. Use as a context manager: it owns threads."""

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
        """The parts, of all of a step's, that are this rank's."""
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
        """For each step from `first` on this rank's parts, collated, in the order of `numbers`."""
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

    def again(self) -> None:
        """Collates once more what was collated ahead: batches are made otherwise from now on."""
        for _ in range(len(self._coming)):
            mine, parts = self._coming.popleft()
            for part in parts:
                part.cancel()
            self._coming.append((mine, self._collated(mine)))

    def keys(self, step: int, numbers: Sequence[int] | None = None) -> list[str]:
        """The keys of a step's targets, of all ranks, in order; or of some of its parts only."""
        every = self.loader.keys(step * self.batch, self.batch)
        wanted = range(self.parts) if numbers is None else numbers
        return [key for place, key in enumerate(every) if place % self.parts in wanted]
