"""Pitch and rerender checks: clips rendered again, and why they differ."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

from manifests.audit.run import AuditOptions
from manifests.dataset.canonical import sha256_json
from manifests.dataset.card import card_of
from manifests.dataset.layout import Layout
from render.planning.fingerprint import AUDIO_VERSION
from tests.support.audit_reports import Rows, audit_report, forged_copy


def transposed(rows: Rows) -> None:
    for row in rows:
        for note in row["notes"]:
            note["pitch"] += 1 if note["pitch"] < 72 else -1


def test_transposed_phrases_fail_the_pitch_and_rerender_checks(tiny: Path, tmp_path: Path) -> None:
    copy = forged_copy(tiny, tmp_path / "copy", "phrases", transposed)
    here = version("dawdreamer")
    path = copy / "dataset.json"
    path.write_text(path.read_text().replace(f'"dawdreamer": "{here}"', '"dawdreamer": "0.0.1"'))
    findings = audit_report(copy, AuditOptions(deep=True, rerender=2)).findings
    pitch = [finding for finding in findings if finding.check == "pitch"]
    assert "notes measured have another pitch than the phrase (-1.0 semitones)" in pitch[0].what
    again = [finding for finding in findings if finding.check == "rerender"]
    assert len(again) == 2
    assert again[0].what.startswith("made again, it came out differently: by up to ")
    why = f"changed tables, or another renderer; made with dawdreamer 0.0.1, here is {here}"
    assert again[0].what.endswith(f"({why})")


def test_rerender_findings_name_another_audio_version(tiny: Path, tmp_path: Path) -> None:
    copy = forged_copy(tiny, tmp_path / "copy", "phrases", transposed)
    path = copy / "dataset.json"
    planned = json.loads(path.read_text())
    planned["fingerprint_of"]["audio"] = "0.9"
    planned["fingerprint"] = sha256_json(planned["fingerprint_of"])
    path.write_text(json.dumps(planned))
    again = [
        finding
        for finding in audit_report(copy, AuditOptions(rerender=1)).findings
        if finding.check == "rerender"
    ]
    assert again[0].what.endswith(f"made with audio 0.9, here is {AUDIO_VERSION})")


def never_the_same(rows: Rows) -> None:
    for row in rows:
        row["deterministic"] = False


def test_clips_of_nondeterministic_synths_are_counted_not_compared(tiny: Path, tmp_path: Path) -> None:
    copy = forged_copy(tiny, tmp_path / "copy", "timbres", never_the_same)
    layout = Layout(copy)
    layout.card.write_text(card_of(layout))  # it names such synths
    audited = audit_report(copy, AuditOptions(rerender=2))
    assert audited.looked_at["made again"] == "2 clips, 2 of synths that are not deterministic"
    assert not audited.findings


def test_rerender_findings_name_another_plugin(tiny: Path, tmp_path: Path) -> None:
    def other(rows: Rows) -> None:
        for row in rows:
            row["plugin_sha256"] = "f" * 64

    findings = audit_report(
        forged_copy(tiny, tmp_path / "copy", "timbres", other), AuditOptions(rerender=2)
    ).findings
    assert [finding.check for finding in findings] == ["rerender"]
    assert "0 of 2 clips could be made again" in findings[0].what
    assert "made with plugin ffffffffffff…, here is" in findings[0].what
