"""Runs SQL over the manifests: DuckDB on the Parquet files, one view per table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pandas as pd
import pyarrow as pa

from manifests.dataset.layout import FOLDER_TABLES, OPTIONAL_TABLES, Layout, TableFolder
from manifests.dataset.storage import is_local, is_utf8, parquet_file
from manifests.types import InputError

if TYPE_CHECKING:
    import duckdb


def clip_tables_of(folder: TableFolder) -> list[Path]:
    """Returns a dataset's clip tables in order of their shards. A tone bank has none."""
    return folder.clip_tables() if isinstance(folder, Layout) else []


def connect(layouts: dict[str, TableFolder]) -> duckdb.DuckDBPyConnection:
    """Opens a DuckDB connection that can read the datasets' tables and nothing else on the machine.

    A view's name is its dataset's prefix in `layouts`, then the table's name. Raises InputError if a folder
    is no dataset, or duckdb is not installed.
    """
    try:
        import duckdb
    except ModuleNotFoundError:
        raise InputError("query needs duckdb: pip install 'triptych-audio[audit]'") from None
    connection = duckdb.connect()
    views: dict[str, list[Path]] = {}
    for prefix, layout in layouts.items():
        layout.metadata()
        named = (*FOLDER_TABLES, *OPTIONAL_TABLES)
        tables = {name: [layout.table(name)] for name in named if layout.table(name).exists()}
        if clips := clip_tables_of(layout):
            tables["clips"] = clips
        views |= {prefix + name: paths for name, paths in tables.items()}
    local = [str(path) for paths in views.values() for path in paths if is_local(path) and _is_plain(path)]
    # Views are bound to exactly these files. A query can read nothing else, and write nothing.
    connection.execute("SET allowed_paths = ?", [local])
    connection.execute("SET enable_external_access = false")
    for name, paths in views.items():
        if not is_local(paths[0]):
            connection.register(name, _remote(paths))
        elif not all(map(_is_plain, paths)):
            connection.register(name, pa.concat_tables([parquet_file(path).read() for path in paths]))
        else:
            listed = ", ".join("'" + str(path).replace("'", "''") + "'" for path in paths)
            # By default a folder named a=b above the dataset would add a column or replace one.
            source = f"read_parquet([{listed}], hive_partitioning = false)"
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM {source}")
    return connection


def _is_plain(path: Path) -> bool:
    """Returns whether DuckDB opens exactly this file by its name, rather than reading it as a pattern."""
    return is_utf8(path) and not set(str(path)) & set("*?[")


def _remote(paths: list[Path]) -> Any:
    """Opens Parquet files behind fsspec as an Arrow dataset, from which DuckDB reads what a query needs."""
    import pyarrow.dataset as ds

    remote = [cast(Any, path) for path in paths]
    return ds.dataset([path.path for path in remote], filesystem=remote[0].fs, format="parquet")


def rows(connection: duckdb.DuckDBPyConnection, sql: str) -> pd.DataFrame:
    """Runs one SQL query; raises InputError with one line if it fails."""
    import duckdb

    try:
        frame: pd.DataFrame = connection.execute(sql).df()
    except duckdb.Error as error:
        raise InputError(f"query: {' '.join(str(error).split())[:300]}") from None
    return frame


def query(layout: TableFolder, sql: str) -> pd.DataFrame:
    """Runs one SQL query on the views clips, timbres, envelopes, phrases, blocks, shards, failures.

    The query can read the dataset's own files only. Raises InputError if the query fails, or duckdb is not
    installed.

    Example: `query(Layout(Path("dataset")), "SELECT split, count(*) FROM clips GROUP BY split")`.
    """
    return rows(connect({"": layout}), sql)
