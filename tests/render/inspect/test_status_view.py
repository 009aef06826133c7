"""Tests of a dataset's state as the terminal shows it."""

from __future__ import annotations

import io

from rich.console import Console

from render.inspect.estimate import Estimate
from render.inspect.status import SplitState, State
from render.inspect.status_view import MOST, cost_lines, lines, table


def printed(state: State) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(table(state))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_table_has_a_row_for_each_split_and_their_sum() -> None:
    train = SplitState("train", shards=3, shards_done=1, shards_running=1, shards_missing=1, clips=300)
    train.clips_done, train.hours_done, train.bytes_done = 100, 0.0833, 25_000_000
    validation = SplitState("validation", shards=1, shards_done=1, clips=20, clips_done=20)
    total = SplitState("all", shards=4, shards_done=2, shards_running=1, shards_missing=1, clips=320)
    total.clips_done = 120
    text = printed(State("demo", "rendering", 6, 6, [train, validation], total))
    assert "demo: rendering" in text
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if "/" in line}
    assert rows["train"] == ["3", "1", "1", "1", "100/300", "0.08", "0.03"]
    assert rows["all"][:2] == ["4", "2"]
    assert rows["all"][-3] == "120/320"


def test_one_split_needs_no_sum() -> None:
    split = SplitState("train", shards=1, clips=8)
    assert "all" not in printed(State("demo", "rendering", 6, 6, [split], SplitState("all", shards=1)))


def test_lines_tell_of_casting_workers_failures_and_refusals() -> None:
    assert list(lines(State("demo", "casting", 6, 2))) == ["timbres: 2 of 6 found"]
    state = State("demo", "rendering", 6, 6, workers=2)
    assert list(lines(state)) == ["2 worker(s) active, rate not known yet"]
    state.clips_per_s, state.seconds_left, state.failures = 41.6, 90.2, {"silent": 2, "unsteady": 1}
    state.failed_shards = {f"shard {number}": "disk full" for number in range(MOST + 2)}
    state.refused = {"node7": "another amsynth"}
    assert list(lines(state)) == [
        "2 worker(s) active, 42 clips/s, 0:01:30 left",
        "presets replaced: 2 silent, 1 unsteady",
        *(f"failed: shard {number}: disk full" for number in range(MOST)),
        "failed: 2 more, see --json",
        "refuses work: node7: another amsynth",
    ]


def test_a_cost_is_given_in_core_hours_bytes_and_time_by_cores() -> None:
    cost = Estimate(
        timbres=10,
        clips=7_200,
        hours=6.0,
        shards=4,
        seconds_a_timbre=1.0,
        seconds_a_clip=0.005,
        bytes_a_clip=100_000.0,
        core_hours=46.0 / 3600,
        bytes=720_000_000,
        tones_bytes=80_000_000,
    )
    assert list(cost_lines(cost, [1, 4])) == [
        "7,200 clips, 6.0 hours, 10 timbres, 4 shards",
        "0.72 GB, and while it is made 0.08 GB of tone sets",
        "0.01 core-hours: 5.00 ms a clip, 1.00 s a timbre, measured here",
        "time by cores: 1: 0:00:46, 4: 0:00:12",
    ]
