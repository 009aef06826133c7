"""Row checks: table values and units are checked anew."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from manifests.dataset.layout import Layout, write_table
from tests.support.audit_reports import Rows, audit_report, first_of_side, forged_copy


def same_timbre(rows: Rows) -> None:
    first_of_side(rows, "test")["fingerprint"] = [
        level + 1.0 for level in first_of_side(rows, "train")["fingerprint"]
    ]


def same_phrase(rows: Rows) -> None:
    notes = first_of_side(rows, "train")["notes"]
    first_of_side(rows, "test")["notes"] = [{**n, "pitch": n["pitch"] + 1, "velocity": 90} for n in notes]


def same_envelope(rows: Rows) -> None:
    for name in ("attack_ms", "hold_ms", "decay_ms", "sustain", "release_ms", "curve"):
        first_of_side(rows, "test")[name] = first_of_side(rows, "train")[name]


def slow_attack(rows: Rows) -> None:
    rows[0]["attack_ms"] = 500.0


def too_high(rows: Rows) -> None:
    rows[0]["notes"][0]["pitch"] = 90


def unsteady(rows: Rows) -> None:
    rows[0]["level_variation_db"] = 2.0


@pytest.mark.parametrize(
    ("table", "change", "check", "message"),
    [
        ("timbres", same_timbre, "leak", "sound alike, but are on two sides"),
        (
            "phrases",
            same_phrase,
            "leak",
            "are one another transposed or shifted in time, but are on two sides",
        ),
        ("envelopes", same_envelope, "leak", "are nearer than the tolerance, but are on two sides"),
        ("envelopes", slow_attack, "range", "attack_ms 500 is outside the 10..100 of lead"),
        ("phrases", too_high, "range", "go beyond the tones' 52..72"),
        ("timbres", unsteady, "range", "its level varies by 2.00 dB, 1 allowed"),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_forged_table_values_are_found(
    tiny: Path, tmp_path: Path, table: str, change: Callable[[Rows], None], check: str, message: str
) -> None:
    findings = audit_report(forged_copy(tiny, tmp_path / "copy", table, change)).findings
    assert any(finding.check == check and message in finding.what for finding in findings), findings


def test_a_column_in_another_unit_is_found(tiny: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny, tmp_path / "copy", ignore=shutil.ignore_patterns(".work"))
    table = Layout(copy).read("envelopes")
    place = table.schema.get_field_index("release_ms")
    seconds = table.schema.field(place).with_metadata({"unit": "s", "description": "release"})
    write_table(copy / "envelopes.parquet", table.cast(table.schema.set(place, seconds)))
    findings = audit_report(copy).findings
    assert [(f.check, f.where) for f in findings] == [("units", "envelopes.parquet")]
    assert "release_ms" in findings[0].what
