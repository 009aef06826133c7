"""`render status`: shards done, running, failed and missing, and the time left."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from manifests.dataset.layout import Layout
from render.clips.dataset import PlannedDataset
from render.execution import journal
from render.inspect.status import state
from render.inspect.status_view import lines
from tests.support import commands, datasets

FIRST, SECOND, THIRD = (f"shards/train/shard-{i:06d}.tar" for i in range(3))


@pytest.fixture
def unfinished(tiny: Path, tmp_path: Path) -> Path:
    """Copies the tiny dataset without its three train shards."""
    copy = shutil.copytree(tiny, tmp_path / "copy", ignore=shutil.ignore_patterns(".work"))
    for shard in (FIRST, SECOND, THIRD):
        (copy / shard).unlink()
        Layout(copy).clip_table(shard).unlink()
    (copy / "shards.parquet").unlink()
    return copy


def test_done_running_failed_and_missing_shards_are_distinguished(unfinished: Path) -> None:
    journal.fail(unfinished, SECOND, "no space left")
    journal.refuse(unfinished, "node7-12", "another amsynth")
    with journal.claim(unfinished, FIRST) as alive:
        clips = alive(range(16))
        next(clips)
        now = state(PlannedDataset(unfinished))
    assert now.stage == "rendering"
    train = next(split for split in now.splits if split.split == "train")
    counts = (train.shards_done, train.shards_running, train.shards_failed, train.shards_missing)
    assert counts == (0, 1, 1, 1)
    assert now.total.shards_done == now.total.shards - 3
    assert now.total.clips_done == now.total.clips - train.clips == 120
    assert now.total.hours_done == pytest.approx(120 * 3 / 3600)
    tars = (unfinished / "shards").rglob("*.tar")
    assert now.total.bytes_done == sum(path.stat().st_size for path in tars)
    assert now.workers == 1
    assert now.failed_shards == {SECOND: "no space left"}
    assert now.refused == {"node7-12": "another amsynth"}
    text = "\n".join(lines(now))
    assert "1 worker(s)" in text
    assert "no space left" in text
    assert "another amsynth" in text
    assert state(PlannedDataset(unfinished)).workers == 0, "who is done is at nothing"


def test_rate_and_time_left_follow_from_worker_reports(
    unfinished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = unfinished / ".work" / "state" / "running"
    folder.mkdir(parents=True)
    monkeypatch.setattr(journal.time, "time", lambda: 1000.0)
    for shard, made, seconds, time in (
        (FIRST, 40, 20.0, 990.0),
        (SECOND, 0, 0.0, 999.0),
        (THIRD, 90, 9.0, 5.0),
    ):
        note = journal.Claim(shard, "node", 1, time, 8, made, seconds)
        name = shard.rsplit("/", 1)[1].removesuffix(".tar")
        (folder / f"train.{name}.json").write_text(json.dumps(journal.asdict(note)))
    now = state(PlannedDataset(unfinished))
    # The third reported nothing for 15 minutes; the second is assumed to be as fast as the first.
    assert now.workers == 2
    assert now.clips_per_s == pytest.approx(4.0)
    assert now.seconds_left == pytest.approx((48 - 2 * 8) / 4.0)
    (folder / "train.shard-000000.json").write_text("torn")
    assert state(PlannedDataset(unfinished)).workers == 1


def test_before_casting_ends_status_counts_the_accepted_timbres(tmp_path: Path) -> None:
    root = tmp_path / "dataset"
    commands.succeed("render", "plan", datasets.write_config(tmp_path), "--out", root)
    assert (state(PlannedDataset(root)).stage, state(PlannedDataset(root)).timbres) == ("planned", 6)
    journal.casting(root, 4, 6)
    now = state(PlannedDataset(root))
    assert (now.stage, now.timbres_found) == ("casting", 4)


def test_status_reports_progress(tiny: Path, tmp_path: Path) -> None:
    state = json.loads(commands.succeed("render", "status", tiny, "--json"))
    assert state["stage"] == "done"
    assert all(s["shards"] == s["shards_done"] > 0 for s in state["splits"])
    copy = shutil.copytree(tiny, tmp_path / "copy")
    (copy / "clips" / "train" / "shard-000000.parquet").unlink()
    state = json.loads(commands.succeed("render", "status", copy, "--json"))
    assert state["stage"] == "rendering"
    commands.succeed("render", "run", copy)
    assert datasets.file_hashes(copy) == datasets.file_hashes(tiny)
