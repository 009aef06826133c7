"""Defines the paths of a dataset folder, and reads and writes its tables."""

from __future__ import annotations

import json
import os
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from manifests.dataset import files
from manifests.dataset.canonical import sha256_json
from manifests.dataset.schema import SCHEMA_VERSION, schema
from manifests.dataset.storage import is_local, list_files, parquet_file
from manifests.types import SPLITS, InputError

FOLDER_TABLES = ("timbres", "envelopes", "phrases", "blocks", "shards", "failures")
OPTIONAL_TABLES = ("labels",)
"""Tables that only some datasets have: `labels`, with `shaping: plugin`."""
WORK = ".work"
KEPT = "kept"
"""Folder of tones that no plugin makes a second time: part of the dataset, named by their hashes."""
COMPRESSION = "zstd"
_SHARD = re.compile(rf"shards/({'|'.join(SPLITS)})/shard-\d{{6,}}\.tar")


@dataclass(frozen=True, slots=True)
class TableFolder(ABC):
    """A folder of Parquet tables with a JSON header and a card: what datasets and tone banks share.

    `root` is local or remote (see `manifests.dataset.storage`).
    """

    root: Path

    @property
    def card(self) -> Path:
        return self.root / "README.md"

    @property
    def work(self) -> Path:
        """The local folder of tones and temporary files. It is no part of the dataset and may be deleted.

        For a remote dataset it lies in the user's cache, one folder per URL.
        """
        if is_local(self.root):
            return self.root / WORK
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return cache / "triptych" / sha256_json(str(self.root))[:16]

    def table(self, name: str) -> Path:
        """Returns the path of the table called `name`."""
        return self.root / f"{name}.parquet"

    def inside(self, relative: str) -> Path:
        """Returns the path of a file named in a table; raises InputError if it leaves the folder."""
        pure = PurePosixPath(relative)
        if pure.is_absolute() or ".." in pure.parts:
            raise InputError(f"{self.root}: path {relative!r} in a table leaves the dataset folder")
        return self.root / pure

    @abstractmethod
    def metadata(self) -> dict[str, Any]:
        """Reads the JSON header; raises InputError if it is missing, malformed, or of an unknown schema."""

    def read(self, name: str) -> pa.Table:
        """Reads one of the folder's tables; raises InputError if it is missing or malformed."""
        return read_table(self.table(name), name)

    @abstractmethod
    def committed(self) -> set[str]:
        """Returns the committed shards: those whose table exists."""


@dataclass(frozen=True, slots=True)
class Layout(TableFolder):
    """The paths and tables of one dataset folder.

    Example: `Layout(Path("dataset")).read("phrases").num_rows`.
    """

    def kept_tones(self, sha256: str) -> Path:
        """Returns where tones of a synth that does not repeat are kept, without the ending .npy or .json."""
        return self.root / KEPT / sha256

    @property
    def dataset_json(self) -> Path:
        return self.root / "dataset.json"

    def clip_table(self, shard: str) -> Path:
        """Returns the clip table that commits a shard: shards/train/x.tar -> clips/train/x.parquet."""
        pure = PurePosixPath(shard)
        return self.inside(str(PurePosixPath("clips", *pure.parts[1:]).with_suffix(".parquet")))

    def metadata(self) -> dict[str, Any]:
        """Reads `dataset.json`; raises InputError if it is missing, malformed, or of an unknown schema."""
        return read_header(self.dataset_json, "folder made by `python -m render`")

    def committed(self) -> set[str]:
        """Returns the committed shards: those whose clip table exists. Other files below clips/ are none."""
        tables = list_files(self.root / "clips")
        named = (PurePosixPath("shards", name) for name in tables if name.endswith(".parquet"))
        return {shard for path in named if is_shard(shard := str(path.with_suffix(".tar")))}

    def clip_tables(self, split: str | None = None) -> list[Path]:
        """Returns the existing clip tables, of one split or all, in order of their shards."""
        splits = [split] if split else [s for s in SPLITS if (self.root / "clips" / s).is_dir()]
        folders = [self.root / "clips" / s for s in splits]
        return [p for folder in folders for p in sorted(folder.glob("shard-*.parquet"), key=str)]

    def read_clips(self, split: str | None = None) -> pa.Table:
        """Reads all clip rows, of one split or all, in order of their shards."""
        tables = [read_table(path, "clips") for path in self.clip_tables(split)]
        plain = schema("clips")
        return (
            pa.concat_tables([t.replace_schema_metadata(None) for t in tables]).cast(plain)
            if tables
            else plain.empty_table()
        )


def read_header(path: Path, expected: str) -> dict[str, Any]:
    """Reads a folder's JSON header and checks its schema version.

    Raises InputError if the file is missing (the message names what is `expected`), is no JSON object, or has
    another schema version.
    """
    try:
        loaded = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{path.parent}: no {path.name} there; expected a {expected}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid JSON ({error})") from None
    if not isinstance(loaded, dict):
        raise InputError(f"{path}: expected a JSON object")
    check_version(str(loaded.get("schema")), path)
    return loaded


def is_shard(name: str) -> bool:
    """Returns whether a path of shards.parquet is spelled as that of a shard.

    >>> is_shard("shards/train/shard-000003.tar"), is_shard("shards/train/notes.tar")
    (True, False)
    """
    return _SHARD.fullmatch(name) is not None


def shard_path(split: str, index: int) -> str:
    """Returns the relative path of a split's shard number `index`.

    >>> shard_path("train", 3)
    'shards/train/shard-000003.tar'
    """
    return f"shards/{split}/shard-{index:06d}.tar"


def check_version(version: str, where: Path) -> None:
    """Raises InputError if `version` has another major version than this program's schema."""
    if version.split(".")[0] != SCHEMA_VERSION.split(".")[0]:
        raise InputError(
            f"{where}: schema version {version}, this program reads {SCHEMA_VERSION};"
            " use the triptych release that wrote it"
        )


def read_table(path: Path, name: str) -> pa.Table:
    """Reads a Parquet table of the schema `name`; raises InputError, which names file and column.

    Example: `read_table(Path("dataset/timbres.parquet"), "timbres").num_rows`.
    """
    try:
        # ParquetFile, not read_table: the latter would add columns from folder names such as a=b.
        table = parquet_file(path).read()
    except FileNotFoundError:
        raise InputError(f"{path}: no such table") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path}: not a readable Parquet file ({str(error).splitlines()[0]})") from None
    return check_table(table, path, name)


def check_table(table: pa.Table, path: Path, name: str) -> pa.Table:
    """Returns the table if its version and columns are those of the schema `name`; else raises InputError."""
    expected = schema(name)
    metadata = table.schema.metadata or {}
    if b"triptych_schema" not in metadata:
        raise InputError(
            f"{path}: states no schema version: another tool wrote this table, or wrote it again; restore the"
            " file that triptych wrote"
        )
    check_version(metadata[b"triptych_schema"].decode(errors="replace"), path)
    for field in expected:
        index = table.schema.get_field_index(field.name)
        if index < 0:
            raise InputError(f"{path}: column {field.name!r} is missing")
        if not table.schema.field(index).type.equals(field.type):
            raise InputError(
                f"{path}: column {field.name!r} is {table.schema.field(index).type}, expected {field.type}"
            )
    return table


def to_table(name: str, rows: list[dict[str, Any]], extra: dict[str, str] | None = None) -> pa.Table:
    """Makes a table of the schema `name` from rows, with `extra` file metadata.

    >>> to_table("failures", []).column_names[:2]
    ['stage', 'synth']
    """
    target = schema(name)
    table = pa.Table.from_pylist(rows, schema=target)
    return table.replace_schema_metadata({**(target.metadata or {}), **(extra or {})})


def table_bytes(table: pa.Table) -> bytes:
    """Returns a table's Parquet file as bytes: equal tables give equal bytes.

    >>> table_bytes(to_table("failures", []))[:4]
    b'PAR1'
    """
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression=COMPRESSION, row_group_size=65_536, version="2.6")
    return bytes(sink.getvalue())


def write_table(path: Path, table: pa.Table) -> None:
    """Writes a table atomically.

    Example: `write_table(layout.table("failures"), to_table("failures", rows))`.
    """
    files.replace(path, table_bytes(table))


def to_pandas(table: pa.Table) -> pd.DataFrame:
    """Converts a table to a DataFrame, maps as dicts."""
    frame: pd.DataFrame = table.to_pandas(maps_as_pydicts="strict")
    return frame
