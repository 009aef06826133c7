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
    """A scan's table; InputError if the file is none."""
    try:
        # One file, whatever its folder is called.
        table = pq.ParquetFile(path).read()
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"{path}: not a scan ({' '.join(str(error).split())[:160]})") from None
    if (table.schema.metadata or {}).get(b"triptych_table") != b"scan" or table.schema.names != (
        schema("scan").names
    ):
        raise InputError(f"{path}: not a scan of this version; make it with `python -m presets scan`")
    return table


def scan_metadata(path: Path) -> dict[str, Any]:
    """What a scan was made of (`identity`) and how presets were compared."""
    return dict(json.loads(read_scan(path).schema.metadata[METADATA_KEY]))
