"""Whole: every file that should be there is, with the size its row says, and nothing else is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from manifests.audit.findings import Finding, some
from manifests.canonical import differences, sha256_file, sha256_json
from manifests.card import card_of
from manifests.layout import FOLDER_TABLES, Layout

OWN_FILES = {"dataset.json", "README.md", *(f"{name}.parquet" for name in FOLDER_TABLES)}


def metadata_findings(metadata: dict[str, Any]) -> Iterator[Finding]:
    """dataset.json agrees with itself: an edited config or fingerprint is noticed."""
    of = metadata.get("fingerprint_of", {})
    if sha256_json(of) != metadata.get("fingerprint"):
        yield Finding("fingerprint", "dataset.json", "`fingerprint` is not the hash of `fingerprint_of`")
    hashed = of.get("config", {})
    # Names, paths and execution settings are in `config` alone; what both hold must agree.
    shared = {key: metadata.get("config", {}).get(key) for key in hashed}
    lines = [
        line
        for line in differences(shared, hashed, "config")
        if not line.split(":")[0].endswith((".plugin", ".optional", ".folder"))
    ]
    yield from some(
        "fingerprint", (("dataset.json", f"edited since it was planned: {line}") for line in lines)
    )


def card_findings(layout: Layout) -> Iterator[Finding]:
    """The card says what the tables say."""
    if layout.card.exists() and layout.card.read_text() != card_of(layout):
        yield Finding("card", "README.md", "is not the card of these tables: `python -m manifests card`")


def folder_findings(layout: Layout, shards: pd.DataFrame) -> Iterator[Finding]:
    """Every shard and clip table is there, has its size and is committed; no file is foreign."""
    tables = {str(layout.clip_table(s).relative_to(layout.root)) for s in shards["shard"]}
    expected = OWN_FILES | set(shards["shard"]) | tables
    present = {
        str(path.relative_to(layout.root))
        for path in layout.root.rglob("*")
        if not path.is_dir() and path.relative_to(layout.root).parts[0] != ".work"
    }
    yield from some("missing", ((name, "is not there") for name in sorted(expected - present)))
    yield from some(
        "foreign", ((name, "does not belong to the dataset") for name in sorted(present - expected))
    )
    for row in shards.itertuples():
        path, table = layout.inside(row.shard), layout.clip_table(row.shard)
        if path.exists() and path.stat().st_size != row.bytes:
            size = path.stat().st_size
            yield Finding("size", row.shard, f"has {size} bytes, its row says {row.bytes}")
        if not table.exists():
            continue
        if sha256_file(table) != row.table_sha256:
            yield Finding(
                "clip table", str(table.relative_to(layout.root)), "is not the one that was committed"
            )
            continue
        note = json.loads((pq.read_schema(table).metadata or {}).get(b"triptych_shard", b"{}"))
        if note.get("sha256") != row.sha256:
            yield Finding(
                "clip table", row.shard, "its clip table commits another tar than shards.parquet says"
            )
