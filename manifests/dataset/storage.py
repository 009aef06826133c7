"""Opens dataset folders on this machine or at a URL that fsspec supports (s3://, gs://, memory://, …).

A local folder is a plain `Path`. A remote one is a `UPath` (universal-pathlib) with the same methods. This
module adds what the two do not share: range reads, uploads, and Parquet files.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import pyarrow.parquet as pq

from manifests.listing import is_litter, visible
from manifests.types import InputError


class UploadRefused(OSError):
    """A store refused an upload. The message is one line."""


def location(text: str) -> Path:
    """Converts a user's path or URL to a path; raises InputError if its kind of URL is not supported.

    >>> location("datasets/demo")
    PosixPath('datasets/demo')
    """
    if "://" not in text:
        return Path(text)
    try:
        from upath import UPath

        # Listings are not cached: other machines write to the same folder.
        return cast(Path, UPath(text, use_listings_cache=False))
    except (ModuleNotFoundError, ImportError, ValueError) as error:
        raise InputError(
            f"{text}: cannot be opened ({' '.join(str(error).split())[:160]}); URLs need"
            " `pip install 'triptych-audio[audit]'`, and s3:// needs s3fs"
        ) from None


def is_local(path: Path) -> bool:
    """Returns whether a path is on this machine's file system.

    >>> is_local(Path("dataset"))
    True
    """
    return isinstance(path, Path)


def read_range(path: Path, offset: int, length: int) -> bytes:
    """Reads `length` bytes of a file from `offset` on, or fewer if it ends before.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = Path(file.name).write_bytes(b"0123456789")
    ...     read_range(Path(file.name), 3, 4)
    b'3456'
    """
    if is_local(path):
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(length)
    remote = cast(Any, path)
    data: bytes = remote.fs.cat_file(remote.path, start=offset, end=offset + length)
    return data


@contextmanager
def local_copy(path: Path) -> Iterator[Path]:
    """Yields a local path of a file: itself, or a temporary copy of a remote file."""
    if is_local(path):
        yield path
        return
    with tempfile.NamedTemporaryFile(prefix="triptych-", suffix=path.suffix) as copy:
        with path.open("rb") as file:
            shutil.copyfileobj(file, copy, 1 << 20)
        copy.flush()
        yield Path(copy.name)


def upload(source: Path | bytes, path: Path, once: bool = False) -> bool:
    """Uploads a file or bytes to a remote path atomically; raises UploadRefused if that fails.

    With `once`, an existing file is kept (If-None-Match on S3) and False is returned.
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
        # Each store raises its own exceptions.
        raise UploadRefused(
            f"{path}: the upload was refused ({' '.join(str(error).split())[:200]})"
        ) from error
    return True


def parquet_file(path: Path) -> pq.ParquetFile:
    """Opens a local or remote Parquet file; raises the same exceptions for both.

    Example: `parquet_file(Path("dataset/timbres.parquet")).metadata.num_rows`.
    """
    return pq.ParquetFile(path if is_local(path) and is_utf8(path) else path.open("rb"))


def utf8_name(path: Path) -> Path:
    """Returns a local path by a name that is UTF-8, for libraries that open no other: itself, or a link.

    >>> str(utf8_name(Path("a.safetensors")))
    'a.safetensors'
    """
    if is_utf8(path):
        return path
    suffix = path.suffix if is_utf8(Path(path.suffix)) else ""
    link = Path(tempfile.mkdtemp(dir=_links().name)) / f"link{suffix}"
    link.symlink_to(path.resolve())
    return link


@lru_cache
def _links() -> tempfile.TemporaryDirectory[str]:
    """Makes this process's folder of links. Python removes it when the process ends."""
    return tempfile.TemporaryDirectory(prefix="triptych-")


def is_utf8(path: Path) -> bool:
    """Returns whether a path is UTF-8, as Arrow and DuckDB need it to open a file by its name.

    >>> is_utf8(Path("caf\\udce9"))
    False
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def list_files(root: Path) -> dict[str, int]:
    """Maps each file below a folder (relative path) to its size in bytes. Litter and `.work` are left out.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "a.txt").write_text("abc")
    ...     list_files(Path(folder))
    {'a.txt': 3}
    """
    if not is_local(root):
        remote = cast(Any, root)
        found = remote.fs.find(remote.path, detail=True)
        start = len(remote.path.rstrip("/")) + 1
        sizes = {name[start:]: int(about["size"]) for name, about in found.items()}
        return {name: size for name, size in sizes.items() if not is_litter(name)}
    sizes = {}
    for walked, folders, names in os.walk(root):
        folder = Path(walked)
        folders[:] = visible(folders)
        # A link to a folder is not followed; it is listed as a file, which no dataset contains.
        links = [name for name in folders if (folder / name).is_symlink()]
        for name in (*visible(names), *links):
            sizes[str((folder / name).relative_to(root))] = (folder / name).lstat().st_size
    return sizes
