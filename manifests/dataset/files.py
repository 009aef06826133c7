"""Writes files atomically, so that no reader sees a partial file, on any file system.

A file is written under a temporary name, synced, then put in place: by `replace` for tables that a later
state supersedes, by `create_once` for shards and their clip tables, which are never rewritten. At a URL a
file appears when its upload is complete, so no temporary name is needed.
"""

from __future__ import annotations

import errno
import os
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from manifests.dataset.storage import is_local, upload
from manifests.lock import holding
from manifests.types import shown

UNSUPPORTED = {
    *(errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL, errno.EMLINK, errno.EBADF),
}
"""Errors of operations that a file system does not have."""
_said: list[str] = []


@contextmanager
def temporary(folder: Path, name: str) -> Iterator[Path]:
    """Yields a new hidden path in `folder`, unique to this call, and removes it afterwards.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, temporary(Path(folder), "a.tar") as path:
    ...     path.suffix
    '.tmp'
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".{name}.{uuid.uuid4().hex[:12]}.tmp"
    try:
        yield path
    except OSError as error:
        if error.filename == str(path):
            error.filename = str(folder / name)  # the name that a user knows
        raise
    finally:
        with suppress(FileNotFoundError):
            path.unlink()


def sync(path: Path) -> None:
    """Flushes a file's or folder's bytes to the disk (fsync).

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     sync(Path(file.name))
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        _say_once(
            f"{path}: its file system cannot flush to the disk ({error.strerror}); after a power failure"
            " files written last may be missing, after the crash of a process none is"
        )
    finally:
        os.close(descriptor)


def _say_once(line: str) -> None:
    """Prints a note on a file system, once in this process."""
    if not _said:
        _said.append(line)
        print(f"note: {shown(line)}", file=sys.stderr)


def replace(path: Path, data: bytes) -> None:
    """Writes `data` to `path` atomically, replacing an existing file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     replace(Path(folder) / "card.md", b"# A dataset")
    ...     (Path(folder) / "card.md").read_bytes()
    b'# A dataset'
    """
    replace_all({path: data})


def replace_all(contents: Mapping[Path, bytes]) -> None:
    """Writes several files: all of them, or none if one cannot be written (full disk, a folder in its place).

    Each file is put in place atomically. At URLs the files are uploaded one after another.

    Example: `replace_all({out / "a.json": b"{}", out / "b.json": b"{}"})`.

    Raises IsADirectoryError if a folder is in the place of a file, and OSError if one cannot be written.
    Their `filename` is that of the file.
    """
    with ExitStack() as stack:
        finished: dict[Path, Path] = {}
        for path in filter(is_local, contents):
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
            finished[path] = stack.enter_context(temporary(path.parent, path.name))
            finished[path].write_bytes(contents[path])
            sync(finished[path])
        for path, data in contents.items():
            if path in finished:
                finished[path].replace(path)
            else:
                upload(data, path)
    for folder in {path.parent for path in finished}:
        sync(folder)


def supersede(finished: Path, path: Path) -> None:
    """Moves a finished file to `path`, replacing an existing file.

    Example: `supersede(finished, layout.inside("shards/train/shard-000000.tar"))`.
    """
    if is_local(path):
        finished.replace(path)
    else:
        upload(finished, path)


def create_once(finished: Path, path: Path) -> bool:
    """Puts a finished file at `path` unless a file exists there; returns whether it did.

    Locally it makes a hard link, so both paths must be on one file system. Where there are no hard links
    (exFAT, some network and FUSE file systems), the process that creates a claim beside `path` renames the
    file. Remotely it uploads.

    Example: `create_once(finished, layout.inside("shards/train/shard-000000.tar"))`.
    """
    if not is_local(path):
        return upload(finished, path, once=True)
    sync(finished)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(finished, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        with holding(path.with_name(f".{path.name}.claim"), str(path), wait=True):
            if path.exists():
                return False
            finished.rename(path)
    sync(path.parent)
    return True
