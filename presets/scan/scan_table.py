"""Reads the table that a scan writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.dataset.schema import schema
from manifests.types import InputError

METADATA_KEY = b"triptych_scan"


def read_scan(path: Path) -> pa.Table:
    """Reads a scan's table. Raises InputError if the file is not a scan of this version.

    Example::

        rows = read_scan(Path("timbres.parquet")).to_pylist()
    """
    try:
        # `read_table` would read a folder named key=value as a partition.
        table = pq.ParquetFile(path).read()
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"{path}: not a scan ({' '.join(str(error).split())[:160]})") from None
    if (table.schema.metadata or {}).get(b"triptych_table") != b"scan" or table.schema.names != (
        schema("scan").names
    ):
        raise InputError(f"{path}: not a scan of this version; make it with `python -m presets scan`")
    return table


def scan_metadata(path: Path) -> dict[str, Any]:
    """Returns a scan's `identity` (everything it depends on) and the parameters of the comparison.

    Raises InputError if the file is not a scan.
    """
    return dict(json.loads(read_scan(path).schema.metadata[METADATA_KEY]))
