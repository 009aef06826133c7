"""Gives each task a temporary folder inside the dataset's `.work`, and removes those of killed tasks."""

from __future__ import annotations

import platform
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from manifests.lock import is_dead, write_holder

LOCK = "lock"
SILENT_S = 7 * 86_400.0
"""Seconds without a sign of life after which a folder of another machine's process is removed."""


@contextmanager
def scratch_folder(work: Path) -> Iterator[Path]:
    """Yields a folder for this task, which names its process while that lives, and is removed afterwards."""
    clear_dead(work)
    folder = _base(work) / f"{platform.node()}-{uuid.uuid4().hex[:12]}"
    folder.mkdir()
    write_holder(folder / LOCK)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def clear_dead(work: Path) -> None:
    """Removes the folders of killed processes of machines with this one's name.

    Two machines, or containers, may have one name: the folder of a process that this machine cannot see stays
    for a week. A folder without a holder's file is being created at this moment and stays.
    """
    base = _base(work)
    base.mkdir(parents=True, exist_ok=True)
    for old in sorted(base.glob(f"{platform.node()}-*")):
        if (old / LOCK).exists() and is_dead(old / LOCK, SILENT_S):
            shutil.rmtree(old, ignore_errors=True)


def _base(work: Path) -> Path:
    return work / "tmp"
