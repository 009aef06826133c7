"""Completeness checks: missing cells and missing audio."""

from __future__ import annotations

import shutil
from pathlib import Path

from manifests.audit.run import AuditOptions
from tests.support import commands
from tests.support.audit_reports import audit_report


def test_missing_cells_are_named_with_their_shard(tiny: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny, tmp_path / "copy")
    (copy / "clips/train/shard-000001.parquet").unlink()
    findings = [finding.what for finding in audit_report(copy).findings if finding.check == "coverage"]
    assert any("missing: 16, first timbre" in what for what in findings), findings
    assert any(what.endswith("in shards/train/shard-000001.tar") for what in findings)


def test_manifests_alone_pass_without_audio(tiny: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny, tmp_path / "copy", ignore=shutil.ignore_patterns("shards", ".work"))
    assert {finding.check for finding in audit_report(copy).findings} == {"missing"}
    assert audit_report(copy, AuditOptions(audio=False)).passed
    commands.succeed("manifests", "audit", copy, "--no-audio")
