"""Leakage checks: similar ids and equal audio across the sides of a split."""

from __future__ import annotations

import shutil
from pathlib import Path

from manifests.dataset.layout import read_table, write_table
from tests.support.audit_reports import Rows, audit_report, forged_copy


def on_the_side_of_a_synth_left_out(rows: Rows) -> None:
    one, other = [row for row in rows if row["side"] == "test"][:2]
    other |= {"side": "synth", "cluster": one["cluster"], "fingerprint": one["fingerprint"]}


def test_similar_ids_may_stand_on_both_test_sides(tiny: Path, tmp_path: Path) -> None:
    findings = audit_report(
        forged_copy(tiny, tmp_path / "copy", "timbres", on_the_side_of_a_synth_left_out)
    ).findings
    assert not any("two sides" in finding.what for finding in findings), findings


def test_equal_audio_under_two_keys_is_a_leak(tiny: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny, tmp_path / "copy", ignore=shutil.ignore_patterns(".work"))
    path = copy / "clips/train/shard-000000.parquet"
    table = read_table(path, "clips")
    rows = table.to_pylist()
    rows[3]["pcm_sha256"] = rows[2]["pcm_sha256"]
    write_table(path, type(table).from_pylist(rows, schema=table.schema))
    leaks = [finding for finding in audit_report(copy).findings if finding.check == "leak"]
    assert [finding.what for finding in leaks] == ["has the same audio as another clip"]
    assert leaks[0].where in (rows[2]["key"], rows[3]["key"])
