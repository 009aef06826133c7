"""Gives each task a temporary folder inside the dataset's `.work`, and removes those of killed tasks."""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = "lock"


@contextmanager
def scratch_folder(work: Path) -> Iterator[Path]:
    """Yields a folder for this task, locked while its process lives and removed afterwards."""
    clear_dead(work)
    folder = _base(work) / f"{platform.node()}-{uuid.uuid4().hex[:12]}"
    folder.mkdir()
    descriptor = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def clear_dead(work: Path) -> None:
    """Removes the folders of killed processes of this machine: those whose lock is free.

    Each machine removes only its own, since not every shared file system shares locks. A folder without a
    lock file is being created at this moment and stays.
    """
    base = _base(work)
    base.mkdir(parents=True, exist_ok=True)
    for old in sorted(base.glob(f"{platform.node()}-*")):
        _clear_if_dead(old)


def _base(work: Path) -> Path:
    return work / "tmp"


def _clear_if_dead(folder: Path) -> None:
    try:
        descriptor = os.open(folder / LOCK, os.O_RDWR)
    except OSError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return
    else:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)
