"""Runs a plan: casts the timbres, renders missing shards, finishes. Can be killed and resumed.

A task's result does not depend on the worker that runs it. The runs of a job array share the shards by a
stride. The run that finds all shards committed writes the summary tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from manifests.dataset.rows import envelope_of
from manifests.dataset.storage import is_local
from manifests.lock import holding
from manifests.types import InputError
from render.casting.cast import Candidate, PresetResult, cast
from render.clips.dataset import PlannedDataset
from render.execution import journal
from render.execution.executors import Executor, Local, TaskQueue
from render.execution.finish import finish
from render.execution.progress import clips_progress, tones_progress
from render.execution.scratch import clear_dead
from render.execution.tasks import DatasetRef, make_tones, render_shard, render_unclaimed
from render.planning.extend import drop_uncommitted
from render.planning.generations import drop_kept, read_before
from render.tones import ToneSetCache


@dataclass(frozen=True, slots=True)
class Share:
    """Task `index` of a job array of `count` tasks: it renders shards index, index + count, and so on.

    Arrays need not be numbered from 0: schedulers allow 1-5, or 5,17. Then some index is not below `count`.
    Such a task renders what is missing and no other worker renders, so that the tasks together leave nothing.
    Raises InputError unless 0 <= index and 1 <= count.
    """

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if self.index < 0 or self.count < 1:
            raise InputError(
                f"--task-index {self.index} --task-count {self.count}: expected an index from 0 and a count"
                " from 1"
            )

    @property
    def is_free(self) -> bool:
        """Whether the task takes any missing shard, rather than every `count`-th."""
        return self.index >= self.count

    def of(self, shards: Sequence[str]) -> list[str]:
        """Returns the task's shards in the order of their rendering.

        >>> Share(1, 2).of(["a", "b", "c", "d"]), Share(6, 2).of(["a", "b", "c", "d"])
        (['b', 'd'], ['c', 'd', 'a', 'b'])
        """
        if not self.is_free:
            return list(shards[self.index :: self.count])
        # Free tasks begin at different places, so that they seldom meet.
        first = self.index % max(len(shards), 1)
        return [*shards[first:], *shards[:first]]


def run(root: Path, console: Console, executor: Executor | None = None, share: Share | None = None) -> int:
    """Renders a planned folder, or a share of it, and returns the number of shards that were missing.

    Without an executor this process does the work. Raises MachineFault if this machine or all workers cannot
    do the work, and InputError if the folder holds no plan.

    Example: `run(Path("dataset"), Console(), Local(workers=2))`.
    """
    executor, share = executor or Local(), share or Share()
    root = root.absolute() if is_local(root) else root
    dataset = PlannedDataset(root)
    ref = DatasetRef(root, str(dataset.metadata["fingerprint"]))
    if isinstance(executor, Local):
        dataset.check_machine()
    clear_dead(dataset.layout.work)
    if share.count == 1:
        journal.clear_notes(root)
    queue = TaskQueue(executor, lambda line: console.print(f"note: {line}"))
    try:
        dataset = cast_first(dataset, ref, queue, console)
        done = dataset.done()
        missing = [shard for shard in share.of(list(dataset.shards)) if shard not in done]
        rendered = 0
        if missing:
            with clips_progress(dataset, console):
                task = render_unclaimed if share.is_free else render_shard
                for _, answer in queue.results(task, ref, missing):
                    rendered += answer.ours or not share.is_free
        if dataset.done() >= dataset.shards.keys() and (
            missing or not dataset.layout.table("shards").exists()
        ):
            finish(dataset)
        return rendered
    finally:
        clear_dead(dataset.layout.work)


@contextmanager
def _casting_lock(work: Path) -> Iterator[None]:
    """Lets one run cast at a time; the others wait and then find its tables."""
    with holding(work / "cast.holder", str(work), wait=True):
        yield


def cast_first(
    dataset: PlannedDataset, ref: DatasetRef, queue: TaskQueue, console: Console
) -> PlannedDataset:
    """Casts the timbres and cuts the blocks unless a run has done so; returns the dataset afterwards."""
    with _casting_lock(dataset.layout.work):
        if dataset.is_cast:
            return dataset
        _cast_and_cut(dataset, ref, queue, console)
    # The tables that were read before casting are out of date.
    return PlannedDataset(dataset.root)


def _cast_and_cut(dataset: PlannedDataset, ref: DatasetRef, queue: TaskQueue, console: Console) -> None:
    """Casts the timbres and cuts the blocks of each generation that lacks them."""
    layout = dataset.layout
    drop_uncommitted(layout)
    first = dataset.generations_cut()
    before = read_before(layout, first)
    wanted, passed = sum(timbres.count for timbres in dataset.config.timbres), len(before.timbres)
    with tones_progress(wanted - passed, console) as accepted:

        def try_presets(tone_sets: ToneSetCache, wave: list[Candidate]) -> Iterator[PresetResult]:
            nonlocal passed
            early: dict[int, PresetResult] = {}
            due = 0
            for place, answer in queue.results(make_tones, ref, wave):
                accepted(answer.row is not None)
                passed += answer.row is not None
                journal.casting(dataset.root, passed, wanted)
                early[place] = answer
                while due in early:
                    yield early.pop(due)
                    due += 1

        for generation, config in enumerate(dataset.generations[first:], start=first):
            rows = layout.read("envelopes").to_pylist()
            envelopes = [envelope_of(row) for row in rows if row["generation"] <= generation]
            known = (before.timbres, before.failures, generation, envelopes)
            timbres, failures = cast(config, dataset.tone_sets, try_presets, *known)
            before = before.grown(config, timbres, failures, layout, generation)
            drop_kept(layout, {row["tones_sha256"] for row in before.timbres})
            before.write(layout)
    journal.clear_casting(dataset.root)
