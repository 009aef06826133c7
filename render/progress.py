"""Progress on the terminal: tone sets as they pass; clips as the folder says, whoever renders them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from rich.console import Console

from manifests import console as talk
from render.dataset import Dataset

LOOK_S = 2.0


@contextmanager
def tones_progress(wanted: int, console: Console) -> Iterator[Callable[[bool], None]]:
    """A bar of timbres; what it yields is told of each preset whether it passed."""
    with talk.progress(console) as progress:
        task = progress.add_task("tones ", total=wanted, rate="")

        def accepted(whether: bool) -> None:
            talk.advance(progress, task, int(whether), "timbres")

        yield accepted


@contextmanager
def clips_progress(dataset: Dataset, missing: list[str], console: Console) -> Iterator[None]:
    """A bar of the clips of `missing` shards, looked up in the folder every two seconds."""
    clips = {shard: sum(row["clips"] for row in dataset.shards[shard]) for shard in missing}
    over, seen = threading.Event(), 0
    with talk.progress(console) as progress:
        task = progress.add_task("clips ", total=sum(clips.values()), rate="")

        def look() -> None:
            nonlocal seen
            with suppress(OSError):
                done = dataset.done()
                now = sum(clips[shard] for shard in missing if shard in done)
                talk.advance(progress, task, now - seen, "clips")
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
