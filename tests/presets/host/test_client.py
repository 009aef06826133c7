"""The plugin host: real child processes that crash, and what remains of them."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from manifests.types import Note
from presets.host import client as host_module
from presets.host.client import GroupFailure, GroupJob, Limits, MachineFailure, SnapshotHost
from presets.synths.synth import open_synth
from tests.support.presets import faulty_host as faulty

LIMITS = Limits(cpu_s=2, idle_s=0.5, memory_bytes=1 << 28)


def job(pitch: int = 60, seconds: float = 0.2) -> GroupJob:
    profile = open_synth("builtin").profile
    settings = profile.host_values(profile.complete_parameters({}))
    return GroupJob(settings, (Note(0.0, seconds / 2, pitch, 100),), seconds)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SnapshotHost]:
    """Starts a host of the built-in synth that misbehaves on the lowest pitches."""
    monkeypatch.setattr(host_module, "PROGRAM", "tests.support.presets.faulty_host")
    with SnapshotHost(open_synth("builtin"), scratch=tmp_path, limits=LIMITS) as opened:
        yield opened


def children(pid: int) -> list[int]:
    return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def pid_of(host: SnapshotHost) -> int:
    assert host._process is not None
    return host._process.process.pid


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_gone(pid: int) -> bool:
    for _ in range(100):
        if not is_alive(pid):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    ("fault", "reason", "message"),
    [
        (faulty.SEGFAULT, "crashed", "SIGSEGV"),
        (faulty.EXIT, "crashed", "status 0"),
        (faulty.SPIN, "hung", "CPU"),
        (faulty.SLEEP, "hung", "did nothing"),
        (faulty.ALLOCATE, "memory", "MiB"),
    ],
)
def test_a_crashed_group_is_the_presets_fault_and_the_host_survives(
    host: SnapshotHost, fault: int, reason: str, message: str
) -> None:
    before, pid = host.render(job()), pid_of(host)
    with pytest.raises(GroupFailure) as failure:
        host.render(job(fault))
    assert failure.value.reason == reason
    assert message in failure.value.detail
    np.testing.assert_array_equal(host.render(job()), before)
    assert pid_of(host) == pid
    assert children(pid) == []


def test_plugin_output_on_stdout_is_ignored(host: SnapshotHost) -> None:
    assert np.abs(host.render(job(faulty.PRINT))).max() > 0
    assert np.abs(host.render(job())).max() > 0


def test_a_crashed_host_is_restarted_once(host: SnapshotHost) -> None:
    before = host.render(job())
    os.kill(pid_of(host), signal.SIGKILL)
    np.testing.assert_array_equal(host.render(job()), before)


def test_a_second_host_crash_is_the_machines_fault(host: SnapshotHost) -> None:
    with pytest.raises(MachineFailure, match="died twice"):
        host.render(job(faulty.KILL_HOST))
    assert host.render(job()).size


def test_an_interrupted_jobs_reply_is_not_taken_for_the_next_jobs(host: SnapshotHost) -> None:
    short = host.render(job())

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(KeyboardInterrupt):
            host.render(job(seconds=300.0))
    finally:
        signal.signal(signal.SIGALRM, before)
    np.testing.assert_array_equal(host.render(job()), short)


def test_a_kill_from_outside_is_the_machines_fault(host: SnapshotHost) -> None:
    with pytest.raises(MachineFailure, match="killed from outside"):
        host.render(job(faulty.KILLED))


def test_processes_of_a_plugin_end_with_its_group(host: SnapshotHost, tmp_path: Path) -> None:
    host.render(job(faulty.FORK))
    (started,) = tmp_path.glob("*/tmpdir/started")
    assert wait_until_gone(int(started.read_text()))


def entries(folder: str) -> set[str]:
    return {path.name for path in Path(folder).iterdir()}


def test_closing_a_host_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    shared, descriptors = entries("/dev/shm"), len(entries("/proc/self/fd"))
    with SnapshotHost(open_synth("builtin"), scratch=tmp_path) as opened:
        opened.render(job())
        pid = pid_of(opened)
    assert not is_alive(pid)
    assert list(tmp_path.iterdir()) == []
    assert entries("/dev/shm") <= shared
    assert len(entries("/proc/self/fd")) == descriptors


def test_the_host_and_its_group_die_with_the_client(tmp_path: Path) -> None:
    program = f"""
import os, sys, threading, time
from pathlib import Path
from presets.host import client as host
from tests.presets.host.test_client import job, pid_of, faulty
host.PROGRAM = "tests.support.presets.faulty_host"
from presets.synths.synth import open_synth
opened = host.SnapshotHost(open_synth("builtin"), scratch=Path({str(tmp_path)!r})).__enter__()
threading.Thread(target=lambda: opened.render(job(faulty.SLEEP)), daemon=True).start()
time.sleep(0.5)
print(pid_of(opened), flush=True)
time.sleep(100)
"""
    client = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert client.stdout is not None
    pid = int(client.stdout.readline())
    groups = children(pid)
    assert len(groups) == 1
    client.kill()
    client.wait()
    assert wait_until_gone(pid)
    assert wait_until_gone(groups[0])
    assert list(tmp_path.iterdir()) == []


def test_the_plugin_has_its_own_home_folder(tmp_path: Path) -> None:
    with SnapshotHost(open_synth("builtin"), scratch=tmp_path) as opened:
        environment = Path(f"/proc/{pid_of(opened)}/environ").read_text().split("\0")
        private = [entry for entry in environment if entry.startswith(("HOME=", "TMPDIR="))]
        assert len(private) == 2
        assert all(str(tmp_path) in entry for entry in private)


def test_the_canary_detects_nondeterminism(host: SnapshotHost, monkeypatch: pytest.MonkeyPatch) -> None:
    host.self_test()
    host.close()
    monkeypatch.setenv("TRIPTYCH_TEST_UNREPEATABLE", "1")
    with pytest.raises(MachineFailure, match="does not repeat itself"):
        host.self_test()


def test_a_changed_plugin_file_is_refused(tmp_path: Path) -> None:
    changed = replace(open_synth("builtin"), plugin_sha256="0" * 64)
    with pytest.raises(MachineFailure, match="SHA-256 has changed"):
        SnapshotHost(changed, scratch=tmp_path).__enter__()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_plugin_is_the_machines_fault(tmp_path: Path) -> None:
    broken = tmp_path / "broken.dsp"
    broken.write_text("process = nonsense(;")
    with pytest.raises(MachineFailure, match="could not start"):
        SnapshotHost(open_synth("builtin", broken), scratch=tmp_path).__enter__()


def test_a_pickled_synth_is_small() -> None:
    synth = open_synth("builtin")
    assert pickle.loads(pickle.dumps(synth)) == synth
    assert len(pickle.dumps(synth)) < 1000
