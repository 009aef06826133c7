"""Writing files so that nobody ever sees half of one.

A file is written beside its place under a name of its own, synced, then put in place: `replace` for
tables that a later state supersedes, `create_once` for shards, which are never rewritten.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """A fresh temporary path in the folder of `path` (hidden, unique); removed when the block ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name}.{uuid.uuid4().hex[:12]}.tmp"
    try:
        yield temporary
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def sync(path: Path) -> None:
    """Forces a file's (or folder's) bytes to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace(path: Path, data: bytes) -> None:
    """Puts `data` at `path`, whole or not at all; what stood there before is replaced."""
    with beside(path) as temporary:
        temporary.write_bytes(data)
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)


def create_once(temporary: Path, path: Path) -> bool:
    """Links a finished, synced file to `path` if nothing is there yet; False if something was."""
    sync(temporary)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    sync(path.parent)
    return True
