"""Folder checks: expected files exist with their sizes, no others do, and the metadata are unedited."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from manifests.audit.findings import Finding, findings_of, guarded
from manifests.dataset.bank import FOLDER, is_bank
from manifests.dataset.canonical import differences, sha256_json
from manifests.dataset.card import card_of
from manifests.dataset.layout import FOLDER_TABLES, KEPT, OPTIONAL_TABLES, Layout, check_table, is_shard
from manifests.dataset.schema import schema
from manifests.dataset.storage import list_files, parquet_file
from manifests.types import SPLITS, InputError

NOT_HASHED = (".plugin", ".profile", ".optional", ".folder", ".scan", ".skip_bad")
"""Settings of a config that no fingerprint holds."""
OWN_FILES = {"dataset.json", "README.md", *(f"{name}.parquet" for name in FOLDER_TABLES)}
OPTIONAL_FILES = {f"{name}.parquet" for name in OPTIONAL_TABLES}


def metadata_findings(metadata: dict[str, Any]) -> Iterator[Finding]:
    """Checks that dataset.json agrees with its own fingerprint: an edited config is found."""
    of = metadata.get("fingerprint_of", {})
    if sha256_json(of) != metadata.get("fingerprint"):
        yield Finding("fingerprint", "dataset.json", "`fingerprint` is not the hash of `fingerprint_of`")
    hashed = of.get("config", {})
    if metadata.get("seed") != hashed.get("seed"):
        yield Finding("fingerprint", "dataset.json", "`seed` is not the config's")
    generations = metadata.get("generations", [])
    pairs = [(metadata.get("config", {}), hashed, "config")]
    for number, earlier in enumerate(of.get("grown_from", [])):
        there = generations[number].get("config", {}) if number < len(generations) else {}
        pairs.append((there, earlier, f"generations[{number}].config"))
    lines = [line for config, of_it, where in pairs for line in _edited(config, of_it, where)]
    if len(generations) != len(pairs):
        lines.append(f"{len(generations)} generations, {len(pairs)} of them planned")
    yield from findings_of(
        "fingerprint", (("dataset.json", f"edited since it was planned: {line}") for line in lines)
    )


def _edited(config: Any, hashed: dict[str, Any], where: str) -> list[str]:
    # Names, paths and execution settings are in `config` alone; what both hold must agree.
    shared = {key: config.get(key) for key in hashed}
    return [
        line for line in differences(shared, hashed, where) if not line.split(":")[0].endswith(NOT_HASHED)
    ]


def card_findings(layout: Layout) -> Iterator[Finding]:
    """Checks that README.md is the card that follows from the tables."""
    if layout.card.exists() and layout.card.read_bytes() != card_of(layout).encode():
        yield Finding("card", "README.md", "is not the card of these tables: `python -m manifests card`")


def path_findings(shards: pd.DataFrame) -> Iterator[Finding]:
    """Checks the path of every shard; a path that leaves the folder is never opened."""
    yield from (
        Finding("path", name, "is not the path of a shard") for name in shards["shard"] if not is_shard(name)
    )


def column_findings(layout: Layout) -> Iterator[Finding]:
    """Checks columns' units and meanings against the schema: all tables, one clip table of each split."""
    paths = {layout.table(name): name for name in FOLDER_TABLES}
    paths |= {path: "clips" for split in SPLITS for path in layout.clip_tables(split)[:1]}
    for path, name in paths.items():
        if not path.exists():
            continue
        where = str(path.relative_to(layout.root))
        yield from guarded(where, _unit_findings(path, name, where))


def _unit_findings(path: Path, name: str, where: str) -> Iterator[Finding]:
    stored = parquet_file(path).schema_arrow
    for field in schema(name):
        index = stored.get_field_index(field.name)
        if index >= 0 and stored.field(index).metadata != field.metadata:
            yield Finding("units", where, f"{field.name} carries another unit or meaning than the schema")


def failure_findings(layout: Layout) -> Iterator[Finding]:
    """Checks that failures.parquet, which no other check reads, is readable."""
    if layout.table("failures").exists():
        try:
            layout.read("failures")
        except InputError as error:
            yield Finding("table", "failures.parquet", str(error))


def folder_findings(
    layout: Layout, shards: pd.DataFrame, timbres: pd.DataFrame, with_audio: bool
) -> Iterator[Finding]:
    """Checks that every shard and clip table exists and has its size, and that no other file does.

    So do the kept tones of `timbres` whose synths do not repeat. With `with_audio` False, for a folder that
    holds the manifests alone, shards may be missing.
    """
    tables = {str(layout.clip_table(s).relative_to(layout.root)) for s in shards["shard"]}
    expected = OWN_FILES | set(shards["shard"]) | tables
    # A tone bank inside the folder is audited as one: `python -m manifests audit DIR/tones`.
    bank = f"{FOLDER}/" if is_bank(layout.root / FOLDER) else "\0"
    present = {name: size for name, size in list_files(layout.root).items() if not name.startswith(bank)}
    wild = timbres["tones_sha256"][~timbres["deterministic"].astype(bool)]
    kept = {f"{KEPT}/{sha256}.{end}" for sha256 in wild for end in ("npy", "json")}
    if any(name.startswith(f"{KEPT}/") for name in present):
        gone = sorted(kept - present.keys()) if with_audio else []
        yield from findings_of("missing", ((name, "kept tones are not there") for name in gone))
    needed = expected if with_audio else expected - set(shards["shard"])
    yield from findings_of("missing", ((name, "is not there") for name in sorted(needed - present.keys())))
    foreign = sorted(present.keys() - expected - OPTIONAL_FILES - kept)
    yield from findings_of("foreign", ((name, "does not belong to the dataset") for name in foreign))
    for row in shards.itertuples():
        if present.get(row.shard, row.bytes) != row.bytes:
            yield Finding("size", row.shard, f"has {present[row.shard]} bytes, its row says {row.bytes}")


def clip_table(layout: Layout, row: Any) -> tuple[list[Finding], pa.Table | None]:
    """Reads, hashes and parses a shard's clip table, and checks it against the shard's row.

    Returns:
        The findings, and the table; None if it is missing or torn.
    """
    path = layout.clip_table(row.shard)
    name = str(path.relative_to(layout.root))
    try:
        data = path.read_bytes()
        table = check_table(pq.ParquetFile(pa.BufferReader(data)).read(), path, "clips")
    except FileNotFoundError:
        return [], None
    except InputError as error:
        return [Finding("table", name, str(error))], None
    except (pa.ArrowInvalid, OSError) as error:
        return [Finding("table", name, f"not a readable Parquet file ({str(error).splitlines()[0]})")], None
    findings = []
    if sha256(data).hexdigest() != row.table_sha256:
        findings.append(Finding("clip table", name, "is not the one that was committed"))
    else:
        note = json.loads((table.schema.metadata or {}).get(b"triptych_shard", b"{}"))
        if note.get("sha256") != row.sha256:
            what = "its clip table commits another tar than shards.parquet names"
            findings.append(Finding("clip table", row.shard, what))
    return findings, table
