"""Running a plan: cast the timbres, render the missing shards, finish. Interrupt and call again at will.

What a task makes does not depend on which worker makes it. Tasks run where an executor puts them; an
array of runs shares the shards by a stride, and who finds them all done sums them up.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from manifests.dataset.storage import is_local
from manifests.types import InputError
from render.casting.cast import Candidate, PresetResult, cast
from render.clips.dataset import Dataset
from render.execution import journal
from render.execution.executors import Executor, Local, TaskQueue
from render.execution.finish import finish
from render.execution.progress import clips_progress, tones_progress
from render.execution.scratch import clear_dead
from render.execution.tasks import Where, make_tones, render_shard
from render.planning.extend import drop_uncommitted
from render.planning.generations import read_before
from render.tones import ToneMaker


@dataclass(frozen=True, slots=True)
class Share:
    """Task `index` of an array of `count`: it renders every `count`-th shard, from its own index on."""

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise InputError(
                f"--task-index {self.index} --task-count {self.count}: expected 0 <= index < count"
            )


def run(root: Path, console: Console, executor: Executor | None = None, share: Share | None = None) -> int:
    """Brings a planned folder (or a share of it) to its end; the number of shards that were missing.

    MachineFault stops it. Without an executor, this process does the work itself.
    """
    executor, share = executor or Local(), share or Share()
    root = root.absolute() if is_local(root) else root
    dataset = Dataset(root)
    where = Where(root, str(dataset.metadata["fingerprint"]))
    if isinstance(executor, Local):
        dataset.check_machine()
    clear_dead(dataset.layout.work)
    if share.count == 1:
        journal.welcome(root)
    offered = TaskQueue(
        executor, lambda line: console.print(f"note: {line}", highlight=False, soft_wrap=True)
    )
    try:
        dataset = cast_first(dataset, where, offered, console)
        done = dataset.done()
        missing = [shard for shard in list(dataset.shards)[share.index :: share.count] if shard not in done]
        if missing:
            with clips_progress(dataset, console):
                for _ in offered.answers(render_shard, where, missing):
                    pass
        if dataset.done() >= dataset.shards.keys() and (
            missing or not dataset.layout.table("shards").exists()
        ):
            finish(dataset)
        return len(missing)
    finally:
        clear_dead(dataset.layout.work)


@contextmanager
def _alone(work: Path) -> Iterator[None]:
    """Only one run casts at a time; the others wait for it and find its tables."""
    with (work / "cast.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def cast_first(dataset: Dataset, where: Where, offered: TaskQueue, console: Console) -> Dataset:
    """The first stage, where no run has been through it yet; the dataset as it is after that."""
    with _alone(dataset.layout.work):
        if dataset.is_cast:
            return dataset
        _first_stage(dataset, where, offered, console)
    # What was read of the tables so far is out of date.
    return Dataset(dataset.root)


def _first_stage(dataset: Dataset, where: Where, offered: TaskQueue, console: Console) -> None:
    """Casts the timbres and cuts the blocks of each generation that lacks them."""
    layout = dataset.layout
    drop_uncommitted(layout)
    first = dataset.generations_cut()
    before = read_before(layout, first)
    wanted, found = sum(timbres.count for timbres in dataset.config.timbres), len(before.timbres)
    with tones_progress(wanted - found, console) as accepted:

        def auditions(maker: ToneMaker, wave: list[Candidate]) -> Iterator[PresetResult]:
            nonlocal found
            early: dict[int, PresetResult] = {}
            due = 0
            for place, answer in offered.answers(make_tones, where, wave):
                accepted(answer.row is not None)
                found += answer.row is not None
                journal.casting(dataset.root, found, wanted)
                early[place] = answer
                while due in early:
                    yield early.pop(due)
                    due += 1

        for generation, config in enumerate(dataset.generations[first:], start=first):
            known = (before.timbres, before.failures, generation)
            timbres, failures = cast(config, dataset.maker, auditions, *known)
            before = before.grown(config, timbres, failures, layout, generation)
            before.write(layout)
    journal.cast_over(dataset.root)
