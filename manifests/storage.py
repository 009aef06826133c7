"""Where a dataset folder is: on this machine, or at a URL that fsspec opens (s3://, gs://, memory://, …).

A local folder is a plain `Path`, as fast as ever. A remote one is a `UPath` (universal-pathlib), which
answers the same questions; what the two do not share, one range of a file and its bytes as Parquet, is here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pyarrow.parquet as pq

from manifests.vocabulary import BadInput


def location(text: str) -> Path:
    """The folder or file that a user named, as a path. BadInput where its kind of URL cannot be opened."""
    if "://" not in text:
        return Path(text)
    try:
        from upath import UPath

        return cast(Path, UPath(text))
    except (ModuleNotFoundError, ImportError, ValueError) as error:
        raise BadInput(
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


def parquet_file(path: Path) -> pq.ParquetFile:
    """A Parquet file, opened; the same exceptions as for a local one."""
    return pq.ParquetFile(path if is_local(path) else path.open("rb"))
