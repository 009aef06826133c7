"""Writing files so that nobody ever sees half of one.

A file is written under a name of its own, synced, then put in place: `replace` for tables that a later
state supersedes, `create_once` for shards and their clip tables, which are never rewritten. At a URL a
file appears when its upload is complete, so nothing is written beside.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from manifests.dataset.storage import is_local, upload


@contextmanager
def temporary(folder: Path, name: str) -> Iterator[Path]:
    """A fresh hidden path in `folder`, unique to this call; removed when the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".{name}.{uuid.uuid4().hex[:12]}.tmp"
    try:
        yield path
    except OSError as error:
        if error.filename == str(path):
            error.filename = str(folder / name)  # the name that the user knows
        raise
    finally:
        with suppress(FileNotFoundError):
            path.unlink()


def sync(path: Path) -> None:
    """Forces a file's (or folder's) bytes to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace(path: Path, data: bytes) -> None:
    """Puts `data` at `path`, whole or not at all; what stood there before is replaced."""
    if not is_local(path):
        upload(data, path)
        return
    with temporary(path.parent, path.name) as beside:
        beside.write_bytes(data)
        sync(beside)
        beside.replace(path)
        sync(path.parent)


def supersede(finished: Path, path: Path) -> None:
    """Puts a finished file at `path`, whatever is there."""
    if is_local(path):
        finished.replace(path)
    else:
        upload(finished, path)


def create_once(finished: Path, path: Path) -> bool:
    """Puts a finished file at `path` if nothing is there; False if something was.

    A local path is linked to, and has to be on the same file system; a remote one is uploaded to.
    """
    if not is_local(path):
        return upload(finished, path, once=True)
    sync(finished)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(finished, path)
    except FileExistsError:
        return False
    sync(path.parent)
    return True
