"""A folder is held by one process, and the lock of a dead one is taken over."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from manifests.lock import SILENT_S, Holder, holding, is_dead, read_holder, write_holder
from manifests.types import InputError


def write(path: Path, holder: Holder, age_s: float = 0.0) -> Path:
    path.write_text(json.dumps(asdict(holder)))
    now = path.stat().st_mtime
    os.utime(path, (now - age_s, now - age_s))
    return path


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_second_holder_is_refused_and_told_who_holds(tmp_path: Path) -> None:
    with holding(tmp_path / "lock", "RUN"):
        holder = f"process {os.getpid()} on {Holder.here().host}"
        with pytest.raises(InputError, match=f"RUN: in use by {holder}"), holding(tmp_path / "lock", "RUN"):
            pass
        assert read_holder(tmp_path / "lock") == Holder.here()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("what", ["process ended", "process id used again"])
def test_the_lock_of_a_dead_process_is_taken_over(tmp_path: Path, what: str) -> None:
    here = Holder.here()
    dead = replace(here, pid=dead_pid()) if what == "process ended" else replace(here, begun="1")
    with holding(write(tmp_path / "lock", dead), "RUN"):
        assert read_holder(tmp_path / "lock") == here
    assert list(tmp_path.iterdir()) == []


def test_another_machine_of_the_same_name_is_believed_until_it_is_silent(tmp_path: Path) -> None:
    other = replace(Holder.here(), machine="another", pid=dead_pid())
    path = write(tmp_path / "lock", other, SILENT_S / 2)
    assert not is_dead(path)
    with pytest.raises(InputError, match="in use"), holding(path, "RUN"):
        pass
    assert is_dead(write(path, other, SILENT_S + 60))
    with holding(path, "RUN"):
        pass


def test_a_lock_that_is_being_written_is_not_dead(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text('{"host": ')
    assert not is_dead(tmp_path / "lock")


def test_only_one_writes(tmp_path: Path) -> None:
    assert [write_holder(tmp_path / "lock") for _ in range(2)] == [True, False]
