"""A temporary folder of one run, inside the dataset's `.work`; those left by dead runs are cleared."""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = "lock"


@contextmanager
def scratch_folder(work: Path) -> Iterator[Path]:
    """A folder of this run alone, locked while the run lives and removed when it ends.

    Folders whose lock can be taken belong to runs that were killed: they are cleared first. A folder
    without a lock file is one being made this moment, so it is left alone.
    """
    base = work / "tmp"
    base.mkdir(parents=True, exist_ok=True)
    for old in sorted(base.iterdir()):
        _clear_if_dead(old)
    folder = base / f"run-{uuid.uuid4().hex[:12]}"
    folder.mkdir()
    descriptor = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


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
