"""Where a dataset folder is: on this machine, or at a URL that fsspec opens (s3://, gs://, memory://, …).

A local folder is a plain `Path`, as fast as ever. A remote one is a `UPath` (universal-pathlib), which
answers the same questions; what the two do not share, one range of a file and its bytes as Parquet, is here.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pyarrow.parquet as pq

from manifests.types import InputError


class UploadRefused(OSError):
    """A store did not take a file; one line."""


def location(text: str) -> Path:
    """The folder or file that a user named, as a path. InputError where its kind of URL cannot be opened."""
    if "://" not in text:
        return Path(text)
    try:
        from upath import UPath

        # No listing is remembered: other machines write to the same folder.
        return cast(Path, UPath(text, use_listings_cache=False))
    except (ModuleNotFoundError, ImportError, ValueError) as error:
        raise InputError(
            f"{text}: cannot be opened ({' '.join(str(error).split())[:160]}); URLs need"
            " `pip install 'triptych-audio[audit]'`, and s3:// needs s3fs"
        ) from None


def is_local(path: Path) -> bool:
    """Whether a path is on this machine's own file system."""
    return isinstance(path, Path)


def read_range(path: Path, offset: int, length: int) -> bytes:
    """Bytes `offset` .. `offset + length` of a file, and no others; fewer if it ends before."""
    if is_local(path):
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(length)
    remote = cast(Any, path)
    data: bytes = remote.fs.cat_file(remote.path, start=offset, end=offset + length)
    return data


@contextmanager
def local_copy(path: Path) -> Iterator[Path]:
    """A file to be read more than once: itself, or where it is remote a copy that goes in the end."""
    if is_local(path):
        yield path
        return
    with tempfile.NamedTemporaryFile(prefix="triptych-", suffix=path.suffix) as copy:
        with path.open("rb") as file:
            shutil.copyfileobj(file, copy, 1 << 20)
        copy.flush()
        yield Path(copy.name)


def upload(source: Path | bytes, path: Path, once: bool = False) -> bool:
    """Puts a finished file, or bytes, at a remote path, whole or not at all; UploadRefused if it fails.

    With `once` only if nothing is there (If-None-Match on S3); False if something was.
    """
    remote = cast(Any, path)
    mode = "create" if once else "overwrite"
    try:
        if isinstance(source, bytes):
            remote.fs.pipe_file(remote.path, source, mode=mode)
        else:
            remote.fs.put_file(str(source), remote.path, mode=mode)
    except FileExistsError:
        return False
    except Exception as error:
        # Each store has exceptions of its own; what they have in common is that the file is not there.
        raise UploadRefused(
            f"{path}: the upload was refused ({' '.join(str(error).split())[:200]})"
        ) from error
    return True


def parquet_file(path: Path) -> pq.ParquetFile:
    """A Parquet file, opened; the same exceptions as for a local one."""
    return pq.ParquetFile(path if is_local(path) else path.open("rb"))


def list_files(root: Path, skip: str = "") -> dict[str, int]:
    """Every file below a folder with its size in bytes, by relative path; `skip` names a folder left out."""
    if not is_local(root):
        remote = cast(Any, root)
        found = remote.fs.find(remote.path, detail=True)
        start = len(remote.path.rstrip("/")) + 1
        sizes = {name[start:]: int(about["size"]) for name, about in found.items()}
        return {name: size for name, size in sizes.items() if name.split("/")[0] != skip}
    sizes = {}
    for walked, folders, names in os.walk(root):
        folder = Path(walked)
        if folder == root and skip in folders:
            folders.remove(skip)
        # A link to a folder is not followed: it is a file that has no place in a dataset.
        links = [name for name in folders if (folder / name).is_symlink()]
        for name in (*names, *links):
            sizes[str((folder / name).relative_to(root))] = (folder / name).lstat().st_size
    return sizes
