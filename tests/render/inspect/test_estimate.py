"""`render estimate`: predicts what a plan makes, and writes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from render.clips.dataset import PlannedDataset
from render.inspect.status import state
from tests.support import commands, datasets


def test_an_estimate_predicts_the_clips_and_writes_nothing(tiny: Path, tmp_path: Path) -> None:
    config = datasets.write_config(tmp_path / "config")
    estimate = json.loads(commands.succeed("render", "plan", config, "--estimate", "--json"))
    now = state(PlannedDataset(tiny))
    assert (estimate["timbres"], estimate["clips"], estimate["shards"]) == (
        6,
        now.total.clips,
        now.total.shards,
    )
    assert estimate["bytes"] == pytest.approx(now.total.bytes_done, rel=0.4)
    assert estimate["seconds_a_clip"] > 0
    assert estimate["seconds_a_timbre"] > 0
    assert [path.name for path in tmp_path.iterdir()] == ["config"]


def test_plan_without_an_output_folder_is_refused(tmp_path: Path) -> None:
    done = commands.run("render", "plan", datasets.write_config(tmp_path))
    assert done.returncode == 2
    assert "--out" in done.stderr
