"""Random processes of a run are killed at random moments. The resumed run gives the same bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.support import commands, datasets

LATEST_S = 4.0
"""A blow falls at the latest so long after its run began, by the CPU time that its processes have used."""
ROLES = ("parent", "worker", "host", "child")
# With `shaping: plugin` hosts and their children run from the first to the last shard.
PLAYED = {
    "shaping": "plugin",
    "tones": {"lowest_pitch": 52, "highest_pitch": 72, "max_level_variation_db": 1.0, "settle_s": 0.5},
}


def roles(run: psutil.Process) -> dict[str, list[psutil.Process]]:
    """Returns the processes of a run by role, without joblib's resource trackers."""
    processes: dict[str, list[psutil.Process]] = {role: [] for role in ROLES}
    processes["parent"] = [run]
    hosts = set()
    for process in run.children(recursive=True):
        try:
            line, above = " ".join(process.cmdline()), process.ppid()
        except psutil.Error:
            continue
        if above in hosts:
            processes["child"].append(process)
        elif "presets.host.server" in line:
            hosts.add(process.pid)
            processes["host"].append(process)
        elif "loky" in line and "resource_tracker" not in line:
            processes["worker"].append(process)
    return processes


def cpu_seconds(run: psutil.Process) -> float:
    """Returns the CPU seconds of a run and of its descendants."""
    total = 0.0
    for process in [run, *run.children(recursive=True)]:
        try:
            total += sum(process.cpu_times()[:4])
        except psutil.Error:
            continue
    return total


def kill_random_process(run: subprocess.Popen[bytes], draw: np.random.Generator) -> str:
    """Waits for a random moment, then kills one process of a random role."""
    role = ROLES[int(draw.random() * len(ROLES))]
    number = (signal.SIGKILL, signal.SIGTERM)[int(draw.random() * 2)]
    moment, place = draw.random() * LATEST_S, draw.random()
    process = psutil.Process(run.pid)
    while run.poll() is None:
        try:
            if cpu_seconds(process) < moment:
                time.sleep(0.1)
                continue
            if victims := roles(process)[role]:
                victims[int(place * len(victims))].send_signal(number)
                return f"{role} {signal.Signals(number).name}"
        except psutil.Error:
            continue
        time.sleep(0.02)
    return "too late"


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Renders the dataset without interruption. Read only."""
    folder = tmp_path_factory.mktemp("played")
    commands.succeed("render", "make", datasets.write_config(folder, **PLAYED), "--out", folder / "dataset")
    return folder / "dataset"


@pytest.mark.parametrize("blows", [5, pytest.param(20, marks=pytest.mark.verify)])
def test_killed_at_random_moments_and_resumed_gives_the_same_bytes(
    played: Path, tmp_path: Path, blows: int
) -> None:
    root = tmp_path / "dataset"
    commands.succeed("render", "plan", datasets.write_config(tmp_path, **PLAYED), "--out", root)
    draw = np.random.Generator(np.random.PCG64(blows))
    fallen = set()
    for _ in range(blows):
        run = subprocess.Popen(
            [sys.executable, "-m", "render", "run", str(root), "--workers", "2"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            fallen.add(kill_random_process(run, draw))
            run.wait(timeout=120)
        finally:
            if run.poll() is None:
                os.killpg(run.pid, signal.SIGKILL)
                run.wait()
        for table in (root / "clips").rglob("*.parquet"):
            assert (root / "shards" / table.relative_to(root / "clips")).with_suffix(".tar").exists()
        if (root / "shards.parquet").exists():
            # Finished before all kills: half of it is removed, so that the next ones hit a running process.
            (root / "shards.parquet").unlink()
            for table in sorted((root / "clips").rglob("*.parquet"))[::2]:
                table.unlink()
    assert len(fallen) > 2, fallen
    commands.succeed("render", "run", root, "--workers", "2")
    assert datasets.file_hashes(root) == datasets.file_hashes(played)
    assert not list((root / ".work" / "tmp").iterdir())
