"""Generates `docs/manifests.md`: every table and column, with one example row per table."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pyarrow as pa

from manifests.dataset.schema import NOTE, SCHEMA_VERSION, TABLES, Column

WHAT = {
    "clips": (
        "clips/SPLIT/shard-NNNNNN.parquet",
        "One row a clip, one file a shard, in the order of the tar.",
    ),
    "timbres": (
        "timbres.parquet",
        "One row a timbre: the preset, what it was made with, and its tone set. The `parameters` of an"
        " altered timbre hold its recipe, too: the numbers whose names begin with `altered.`"
        " ([rendering.md](rendering.md#altered-timbres)).",
    ),
    "envelopes": ("envelopes.parquet", "One row an envelope."),
    "labels": (
        "labels.parquet",
        "One row a note that was measured before a timbre was accepted; only with `shaping: plugin`. The"
        " envelope's columns are what the rows of clips state. With `labels: measured` every cell of timbre"
        " and envelope has a row.",
    ),
    "phrases": ("phrases.parquet", "One row a phrase."),
    "blocks": ("blocks.parquet", "One row a block: a full factorial of ids, contiguous in one shard."),
    "shards": (
        "shards.parquet",
        "One row a shard; the file is written last and says that the dataset is whole.",
    ),
    "failures": ("failures.parquet", "One row for every preset or clip that could not be made."),
    "tones": (
        "tones/shard-NNNNNN.parquet",
        "One row a tone of the tone bank ([bank.md](bank.md)), one file a shard: it commits the shard."
        " The tones of an altered timbre have RMS 0.1 together, not each.",
    ),
    "tone_shards": (
        "tones/tone_shards.parquet",
        "One row a shard of tones; the file is written last and says that the bank is whole.",
    ),
    "scan": ("any name", "What `python -m presets scan` writes, one row a preset; no part of a dataset."),
}

_TITLES = "| column | type | unit | meaning | example |\n| --- | --- | --- | --- | --- |\n"

HEAD = f"""# The manifests, column by column

<!-- Generated: `python -m manifests schema --markdown > docs/manifests.md`. A test compares. -->

Schema version {SCHEMA_VERSION}. A reader refuses another major version; a minor one adds columns. Types are
Arrow's; no value is missing unless the type says `or null`. Every Parquet file carries the units and meanings
below as column metadata, and its table's name and schema version as `triptych_table` and `triptych_schema`.

Ids are row numbers: timbre 17 is row 17 of `timbres.parquet`. A clip is the cell (timbre, envelope,
phrase), its key spells block and ids. A clip table's file metadata `triptych_shard` is JSON with the
shard's path, SHA-256, size and the extent of its blocks: it commits the shard.
"""


def examples() -> dict[str, dict[str, Any]]:
    """Returns one row of each table, from a small real dataset, with long values cut."""
    text = files("manifests.dataset").joinpath("examples.json").read_text(encoding="utf-8")
    rows: dict[str, dict[str, Any]] = json.loads(text)
    return rows


def type_name(column: Column) -> str:
    """Returns a column's Arrow type in short form: `list of int32`, `map of string to double`."""

    def name(kind: pa.DataType) -> str:
        if kind.equals(NOTE):
            return "{" + ", ".join(f"{field.name}: {field.type}" for field in NOTE) + "}"
        if pa.types.is_list(kind):
            return f"list of {name(kind.value_type)}"
        if pa.types.is_map(kind):
            return f"map of {kind.key_type} to {kind.item_type}"
        return str(kind)

    return name(column.type) + (" or null" if column.nullable else "")


def markdown() -> str:
    """Returns the page as Markdown."""
    rows = examples()
    parts = [HEAD]
    for table, columns in TABLES.items():
        path, what = WHAT[table]
        parts.append(f"\n## {table}\n\n`{path}`. {what}\n\n{_TITLES}")
        for c in columns:
            cells = (c.name, type_name(c), c.unit, c.meaning, _example(rows.get(table, {}), c.name))
            parts.append(f"| {' | '.join(cells)} |\n")
    return "".join(parts)


def _example(row: dict[str, Any], column: str) -> str:
    if column not in row:
        return ""
    value = row[column]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = text.replace('"…"', "…").replace(": …", "").replace("…: ", "")
    return f"`{text}`" if text else "empty"
