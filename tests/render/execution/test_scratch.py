"""Temporary folders of killed tasks are removed, and those of others are not."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

from manifests.lock import Holder
from render.execution.scratch import LOCK, clear_dead, scratch_folder


def folder_of(work: Path, name: str, holder: Holder | None) -> Path:
    folder = work / "tmp" / f"{platform.node()}-{name}"
    folder.mkdir(parents=True)
    if holder is not None:
        (folder / LOCK).write_text(json.dumps(asdict(holder)))
    return folder


def test_only_folders_of_processes_known_to_be_dead_are_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    here = Holder.here()
    killed = folder_of(tmp_path, "killed", replace(here, pid=ended.pid))
    # Another container with this host's name, on a file system whose locks do not reach there.
    alike = folder_of(tmp_path, "alike", replace(here, machine="another", pid=ended.pid))
    beginning = folder_of(tmp_path, "beginning", None)
    with scratch_folder(tmp_path) as mine:
        clear_dead(tmp_path)
        assert [path.exists() for path in (killed, alike, beginning, mine)] == [False, True, True, True]
    assert not mine.exists()
