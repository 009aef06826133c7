"""The audit: a good dataset passes, and each tier finds its kinds of tampering."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from manifests.dataset.canonical import sha256_file
from manifests.dataset.layout import Layout, read_table, write_table
from tests.support import commands, datasets


def audit(root: Path, *tier: str) -> dict[str, Any]:
    """Returns the report of `manifests audit`, and checks that the exit code agrees with it."""
    done = commands.run("manifests", "audit", root, "--json", *tier)
    report: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if report["passed"] else 1), done.stderr
    return report


@pytest.mark.parametrize("tier", [(), ("--hash",), ("--deep", "--rerender", "3")])
def test_a_good_dataset_passes(tiny: Path, tier: tuple[str, ...]) -> None:
    report = audit(tiny, *tier)
    assert report["findings"] == []
    if "--deep" in tier:
        assert report["looked_at"]["made again"] == "3 clips"
        assert int(report["looked_at"]["envelopes heard"].split()[0]) > 0


def _first(root: Path) -> tuple[Path, Path]:
    return root / "shards/train/shard-000000.tar", root / "clips/train/shard-000000.parquet"


def _edit_rows(root: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Rewrites a clip table and its checksum in the shard table, as a careful forger would."""
    _, path = _first(root)
    table = read_table(path, "clips")
    frame = change(table.to_pandas())
    edited = type(table).from_pandas(frame, schema=table.schema, preserve_index=False)
    write_table(path, edited.replace_schema_metadata(table.schema.metadata))
    datasets.rewrite_table(root, "shards", lambda rows: rows[0].update(table_sha256=sha256_file(path)))


def flip_a_byte(root: Path) -> None:
    tar, table = _first(root)
    row = pd.read_parquet(table).iloc[3]
    data = bytearray(tar.read_bytes())
    data[row["offset"] + row["length"] // 2] ^= 1
    tar.write_bytes(data)


def swap_samples(root: Path) -> None:
    tar, table = _first(root)
    rows = pd.read_parquet(table)
    same = rows[rows["length"].duplicated(keep=False)]
    a, b = (same.iloc[:2] if len(same) else rows.iloc[:2]).itertuples()
    data = bytearray(tar.read_bytes())
    size = min(a.length, b.length)
    one, other = data[a.offset : a.offset + size], data[b.offset : b.offset + size]
    data[a.offset : a.offset + size], data[b.offset : b.offset + size] = other, one
    tar.write_bytes(data)


def remove_a_row(root: Path) -> None:
    _edit_rows(root, lambda rows: rows.drop(index=2))


def double_a_row(root: Path) -> None:
    _edit_rows(root, lambda rows: pd.concat([rows, rows.iloc[[2]]]))


def other_envelope(root: Path) -> None:
    _edit_rows(root, lambda rows: rows.assign(attack_ms=rows["attack_ms"].where(rows.index != 1, 99.0)))


def foreign_shard(root: Path) -> None:
    shutil.copy(root / "shards/validation/shard-000000.tar", _first(root)[0])


def leak_a_timbre(root: Path) -> None:
    def leak(rows: datasets.Rows) -> None:
        next(row for row in rows if row["side"] == "test")["side"] = "train"

    datasets.rewrite_table(root, "timbres", leak)


def edit_the_config(root: Path) -> None:
    path = root / "dataset.json"
    path.write_text(path.read_text().replace('"cut_fade_ms": 3.0', '"cut_fade_ms": 4.0', 1))


def truncate_a_table(root: Path) -> None:
    path = root / "phrases.parquet"
    path.write_bytes(path.read_bytes()[:-100])


def extra_file(root: Path) -> None:
    (root / "shards/train/notes.txt").write_text("hello")


def remove_a_shard(root: Path) -> None:
    _first(root)[0].unlink()


def truncate_a_shard(root: Path) -> None:
    tar, _ = _first(root)
    tar.write_bytes(tar.read_bytes()[: tar.stat().st_size // 2])


def path_that_leaves(root: Path) -> None:
    tar, _ = _first(root)
    with tarfile.open(tar, "a") as archive:
        member = tarfile.TarInfo("../../escape.flac")
        archive.addfile(member)
    _edit_rows(root, lambda rows: rows)


@pytest.mark.parametrize(
    ("tamper", "tier", "check"),
    [
        (flip_a_byte, "--hash", "hash"),
        (flip_a_byte, "--deep", "audio"),
        (swap_samples, "--deep", "audio"),
        (remove_a_row, "", "blocks"),
        (double_a_row, "", "keys"),
        (other_envelope, "", "values"),
        (foreign_shard, "--hash", "hash"),
        (foreign_shard, "--hash", "tar"),
        (leak_a_timbre, "", "leak"),
        (edit_the_config, "", "fingerprint"),
        (truncate_a_table, "", "table"),
        (extra_file, "", "foreign"),
        (remove_a_shard, "", "missing"),
        (truncate_a_shard, "", "size"),
        (truncate_a_shard, "--hash", "tar"),
        (path_that_leaves, "--hash", "tar"),
    ],
    ids=lambda value: value.__name__ if callable(value) else value or "tables",
)
def test_tampering_is_found(
    tiny: Path, tmp_path: Path, tamper: Callable[[Path], None], tier: str, check: str
) -> None:
    copy = shutil.copytree(tiny, tmp_path / "copy")
    tamper(copy)
    report = audit(copy, *([tier] if tier else []))
    assert check in {finding["check"] for finding in report["findings"]}


def test_a_table_of_a_newer_schema_is_refused(tiny: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny, tmp_path / "copy", ignore=shutil.ignore_patterns(".work", "shards"))
    table = Layout(copy).read("phrases")
    future = {**table.schema.metadata, b"triptych_schema": b"2.0"}
    write_table(copy / "phrases.parquet", table.replace_schema_metadata(future))
    findings = audit(copy)["findings"]
    assert [finding["check"] for finding in findings] == ["table"]
    assert "phrases.parquet: schema version 2.0, this program reads 1.1" in findings[0]["what"]
