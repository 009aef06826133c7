"""Shows progress on the terminal: timbres as they pass, and clips counted in the dataset folder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from rich.console import Console

from manifests.cli import console as terminal
from render.clips.dataset import PlannedDataset
from render.execution import journal

LOOK_S = 2.0


@contextmanager
def tones_progress(wanted: int, console: Console) -> Iterator[Callable[[bool], None]]:
    """Shows a bar of timbres; yields a function to call for each preset with whether it passed."""
    with terminal.progress(console) as progress:
        task = progress.add_task("tones ", total=wanted, rate="")

        def accepted(whether: bool) -> None:
            terminal.advance(progress, task, int(whether), "timbres")

        yield accepted


@contextmanager
def clips_progress(dataset: PlannedDataset, console: Console) -> Iterator[None]:
    """Shows a bar of the dataset's clips, counted in the folder every two seconds."""
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


def _clips(dataset: PlannedDataset) -> int:
    """Counts the clips of finished shards and those that workers have reported for running shards."""
    done = dataset.done()
    at_work = {c.shard: c.clips for c in journal.active_claims(dataset.root) if c.shard not in done}
    return sum(dataset.shards[shard].clips for shard in done) + sum(at_work.values())
