"""Rendering a dataset: the same bytes however it is run, resumed or repeated."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from manifests.types import SPLITS
from tests.support import commands, datasets


def test_one_and_two_workers_give_the_same_bytes(tiny: Path, tmp_path: Path) -> None:
    config = datasets.write_config(tmp_path)
    commands.succeed("render", "make", config, "--out", tmp_path / "two", "--workers", "2")
    assert datasets.file_hashes(tmp_path / "two") == datasets.file_hashes(tiny)


def test_every_split_is_there_and_every_clip_is_its_cell(tiny: Path) -> None:
    clips = pd.concat([pd.read_parquet(path) for path in sorted((tiny / "clips").iterdir())])
    assert set(clips["split"]) == set(SPLITS) - {"test_unseen_synth"}
    assert (clips.groupby("split").size() > 0).all()
    assert not clips["key"].duplicated().any()


def test_a_second_run_finds_nothing_to_do(tiny: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny, tmp_path / "copy")
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*.tar")}
    done = commands.run("render", "run", copy)
    assert done.returncode == 0
    assert "nothing left" in done.stderr
    assert {path: path.stat().st_mtime_ns for path in copy.rglob("*.tar")} == before


def group_has_ended(group: int, patience_s: float) -> bool:
    """Returns whether no process of a group is left. A plugin host notices this within two seconds."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize(
    ("workers", "kill"),
    [
        ("2", os.kill),
        pytest.param("1", os.kill, marks=pytest.mark.verify),
        # A scheduler may signal every process of the job, not only the first.
        pytest.param("2", os.killpg, marks=pytest.mark.verify),
    ],
)
def test_sigterm_stops_cleanly_and_leaves_whole_shards_only(
    tiny: Path, tmp_path: Path, workers: str, kill: Callable[[int, int], None]
) -> None:
    root = tmp_path / "dataset"
    commands.succeed("render", "plan", datasets.write_config(tmp_path), "--out", root)
    run = subprocess.Popen(
        [sys.executable, "-m", "render", "run", str(root), "--workers", workers],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while run.poll() is None and not list((root / "clips").rglob("*.parquet")):
        time.sleep(0.02)
    kill(run.pid, signal.SIGTERM)
    _, message = run.communicate(timeout=10)
    if run.returncode == 0:
        pytest.skip("this machine finished before it could be stopped")
    assert run.returncode == 130
    assert message.strip().splitlines()[-1].startswith("error: interrupted")
    assert not list((root / ".work" / "tmp").iterdir())
    assert group_has_ended(run.pid, 10.0)
    commands.succeed("render", "run", root)
    assert datasets.file_hashes(root) == datasets.file_hashes(tiny)


def test_two_concurrent_runs_give_the_same_bytes(tiny: Path, tmp_path: Path) -> None:
    root = tmp_path / "dataset"
    commands.succeed("render", "plan", datasets.write_config(tmp_path), "--out", root)
    command = [sys.executable, "-m", "render", "run", str(root)]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for run in both:
        _, message = run.communicate(timeout=120)
        assert run.returncode == 0, message
    assert datasets.file_hashes(root) == datasets.file_hashes(tiny)


def test_another_plan_in_the_same_folder_is_refused_with_the_difference(tiny: Path, tmp_path: Path) -> None:
    before = datasets.file_hashes(tiny)
    done = commands.run("render", "make", datasets.write_config(tmp_path, seed=6), "--out", tiny)
    assert done.returncode == 2
    assert "config.seed: 6 != 5" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert datasets.file_hashes(tiny) == before


def test_a_plan_alone_renders_nothing(tmp_path: Path) -> None:
    commands.succeed("render", "plan", datasets.write_config(tmp_path), "--out", tmp_path / "plan")
    names = {path.name for path in (tmp_path / "plan").iterdir()}
    assert names == {"dataset.json", "envelopes.parquet", "phrases.parquet"}
    state = json.loads(commands.succeed("render", "status", tmp_path / "plan", "--json"))
    assert state["stage"] == "planned"


def test_amsynth_presets_render_deterministically(amsynth: Path, tmp_path: Path) -> None:
    config = datasets.write_config(
        tmp_path, timbres=[{"synth": "builtin", "count": 3}, {"synth": "amsynth", "count": 4}]
    )
    root = tmp_path / "dataset"
    commands.succeed("render", "make", config, "--out", root, "--workers", "2")
    timbres = pd.read_parquet(root / "timbres.parquet")
    assert (timbres["synth"] == "amsynth").sum() == 4
    keys = pd.read_parquet(root / "clips" / "train").query("timbre >= 3")["key"].iloc[:1].to_list()
    keys += (
        pd.read_parquet(root / "clips" / "test_unseen_timbre").query("timbre >= 3")["key"].iloc[:1].to_list()
    )
    assert keys
    copy = shutil.copytree(root, tmp_path / "copy", ignore=shutil.ignore_patterns(".work"))
    assert commands.succeed("render", "remake", copy, *keys).count("same, bit for bit") == len(keys)


@pytest.mark.parametrize(("count", "indices"), [(5, (1, 2, 3, 4, 5)), (2, (5, 17))])
def test_arrays_of_any_numbers_render_everything(
    tiny: Path, tmp_path: Path, count: int, indices: tuple[int, ...]
) -> None:
    root = tmp_path / "dataset"
    commands.succeed("render", "plan", datasets.write_config(tmp_path), "--out", root)
    shutil.copytree(tiny / ".work" / "tones", root / ".work" / "tones")
    array = [
        subprocess.Popen(
            [sys.executable, "-m", "render", "run", root, "--task-index", str(i), "--task-count", str(count)]
        )
        for i in indices
    ]
    assert [job.wait() for job in array] == [0] * len(indices)
    assert datasets.file_hashes(root) == datasets.file_hashes(tiny)


def test_a_share_of_no_test_timbres_makes_no_test_sets_of_them(tmp_path: Path) -> None:
    splits = {"test_timbres": 0, "test_envelopes": 0.34, "test_phrases": 0, "validation": 0.2}
    config = datasets.write_config(tmp_path, splits=splits)
    commands.succeed("render", "make", config, "--out", tmp_path / "dataset")
    shards = pd.read_parquet(tmp_path / "dataset" / "shards.parquet")
    assert set(shards["split"]) == {"train", "validation", "test_unseen_envelope"}
    commands.succeed("manifests", "audit", tmp_path / "dataset", "--deep")
    commands.succeed("render", "plan", config, "--estimate")


POOR_FILE_SYSTEM = """
import errno, fcntl, os, runpy, sys
def refuse(*arguments, **options):
    raise OSError(errno.EOPNOTSUPP, "Operation not supported")
os.link = os.fsync = fcntl.flock = refuse
sys.argv = ["render", *sys.argv[1:]]
runpy.run_module("render", run_name="__main__")
"""


def test_a_file_system_without_links_locks_and_flushing_gives_the_same_bytes(
    tiny: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", POOR_FILE_SYSTEM, "make", datasets.write_config(tmp_path)]
    done = subprocess.run(
        [*command, "--out", tmp_path / "dataset"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("cannot flush to the disk") == 1
    assert datasets.file_hashes(tmp_path / "dataset") == datasets.file_hashes(tiny)
