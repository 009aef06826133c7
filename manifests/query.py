"""SQL over the manifests: DuckDB on the Parquet files, one view a table."""

from __future__ import annotations

import pandas as pd

from manifests.layout import FOLDER_TABLES, Layout
from manifests.vocabulary import BadInput


def query(layout: Layout, sql: str) -> pd.DataFrame:
    """The result of one SQL query; views clips, timbres, envelopes, phrases, blocks, shards, failures.

    BadInput where the query is wrong, or duckdb is not installed. The query reads the dataset's own
    files only: DuckDB's access to others is switched off before it runs.
    """
    try:
        import duckdb
    except ModuleNotFoundError:
        raise BadInput("query needs duckdb: pip install 'triptych-audio[audit]'") from None
    layout.metadata()
    connection = duckdb.connect()
    clips = sorted(str(path) for path in (layout.root / "clips").glob("*/shard-*.parquet"))
    tables = {name: [str(layout.table(name))] for name in FOLDER_TABLES if layout.table(name).exists()}
    if clips:
        tables["clips"] = clips
    # Views are bound to exactly these files; nothing else on the machine can be read by the query.
    connection.execute("SET allowed_paths = ?", [[path for paths in tables.values() for path in paths]])
    connection.execute("SET enable_external_access = false")
    for name, paths in tables.items():
        listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet([{listed}])")
    try:
        frame: pd.DataFrame = connection.execute(sql).df()
    except duckdb.Error as error:
        raise BadInput(f"query: {' '.join(str(error).split())[:300]}") from None
    return frame
