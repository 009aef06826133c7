"""Formats a dataset's state and cost for a terminal: a table, and lines for what it does not hold."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from rich.table import Table

from render.inspect.estimate import Estimate
from render.inspect.status import SplitState, State

COLUMNS = ("split", "shards", "done", "running", "failed", "missing", "clips", "hours", "GB")
MOST = 5
"""Failed shards and refusals listed one by one; the rest are counted."""


def table(now: State) -> Table:
    """Returns a table of shards by state, clips, hours and bytes, per split and in total."""
    drawn = Table(
        title=f"{now.name}: {now.stage}", box=None, pad_edge=False, padding=(0, 1), collapse_padding=True
    )
    for title in COLUMNS:
        drawn.add_column(title, justify="left" if title == "split" else "right", no_wrap=True)
    for split in now.splits:
        drawn.add_row(*_cells(split))
    if len(now.splits) > 1:
        drawn.add_row(*_cells(now.total))
    return drawn


def _cells(split: SplitState) -> Iterator[str]:
    yield split.split
    yield str(split.shards)
    yield str(split.shards_done)
    yield from (str(n or "") for n in (split.shards_running, split.shards_failed, split.shards_missing))
    yield f"{split.clips_done}/{split.clips}"
    yield f"{split.hours_done:.2f}"
    yield f"{split.bytes_done / 1e9:.2f}"


def lines(now: State) -> Iterator[str]:
    """Yields lines on casting, workers, replaced presets, failed shards and refusing machines."""
    if now.stage in ("planned", "casting"):
        yield f"timbres: {now.timbres_found} of {now.timbres} found"
    if now.workers:
        speed = "rate not known yet" if now.clips_per_s is None else f"{now.clips_per_s:.0f} clips/s"
        left = "" if now.seconds_left is None else f", {timedelta(seconds=round(now.seconds_left))} left"
        yield f"{now.workers} worker(s) active, {speed}{left}"
    if now.failures:
        counts = ", ".join(f"{count} {reason}" for reason, count in now.failures.items())
        yield f"presets replaced: {counts}"
    for what, about in (("failed", now.failed_shards), ("refuses work", now.refused)):
        yield from (f"{what}: {who}: {why}" for who, why in list(about.items())[:MOST])
        if len(about) > MOST:
            yield f"{what}: {len(about) - MOST} more, see --json"


def cost_lines(cost: Estimate, cores: list[int]) -> Iterator[str]:
    """Yields an estimate's clips, bytes, core-hours and times as lines of text."""
    yield f"{cost.clips:,} clips, {cost.hours:,.1f} hours, {cost.timbres} timbres, {cost.shards} shards"
    yield f"{cost.bytes / 1e9:,.2f} GB, and while it is made {cost.tones_bytes / 1e9:,.2f} GB of tone sets"
    clip, timbre = 1000 * cost.seconds_a_clip, cost.seconds_a_timbre
    yield f"{cost.core_hours:,.2f} core-hours: {clip:.2f} ms a clip, {timbre:.2f} s a timbre, measured here"
    times = (f"{n}: {timedelta(seconds=round(cost.seconds_on(n)))}" for n in cores)
    yield f"time by cores: {', '.join(times)}"
