"""Progress on the terminal: tone sets as they pass; clips as the folder says, whoever renders them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from rich.console import Console

from manifests.cli import console as terminal
from render.clips.dataset import Dataset
from render.execution import journal

LOOK_S = 2.0


@contextmanager
def tones_progress(wanted: int, console: Console) -> Iterator[Callable[[bool], None]]:
    """A bar of timbres; what it yields is told of each preset whether it passed."""
    with terminal.progress(console) as progress:
        task = progress.add_task("tones ", total=wanted, rate="")

        def accepted(whether: bool) -> None:
            terminal.advance(progress, task, int(whether), "timbres")

        yield accepted


@contextmanager
def clips_progress(dataset: Dataset, console: Console) -> Iterator[None]:
    """A bar of the dataset's clips, looked up in the folder every two seconds, whoever makes them."""
    over, seen = threading.Event(), 0
    with terminal.progress(console) as progress:
        total = sum(plan.clips for plan in dataset.shards.values())
        seen = _clips(dataset)
        task = progress.add_task("clips ", total=total, completed=seen, rate="")

        def look() -> None:
            nonlocal seen
            with suppress(OSError):
                now = _clips(dataset)
                terminal.advance(progress, task, now - seen, "clips")
                seen = now

        def watch() -> None:
            while not over.wait(LOOK_S):
                look()

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()
            look()


def _clips(dataset: Dataset) -> int:
    """The clips of finished shards, and those of shards in work as far as their workers have told."""
    done = dataset.done()
    at_work = {c.shard: c.clips for c in journal.running(dataset.root) if c.shard not in done}
    return sum(dataset.shards[shard].clips for shard in done) + sum(at_work.values())
