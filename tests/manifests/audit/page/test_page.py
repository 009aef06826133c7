"""The audit page: its sections; a broken dataset still gives findings and a page."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from markupsafe import escape

from manifests.audit.page.page import render_page
from manifests.audit.page.sections import shorten
from manifests.audit.run import AuditOptions, audit
from manifests.dataset.layout import Layout, read_table, write_table
from tests.support import commands, datasets
from tests.support.audit_page import change_setting, copy_dataset, page_text, section

PARTS = (
    "Checks", "Splits", "Coverage", "Clips", "Parameters", "Envelope families", "Phrases", "Timbres",
    "Failures",
)  # fmt: skip


def test_a_good_datasets_page_has_every_part_and_no_finding(tiny: Path, audit_page: Path) -> None:
    text = audit_page.read_text(encoding="utf-8")
    assert tuple(re.findall(r"<h2>(.*?)</h2>", text)) == PARTS
    assert '<p class="verdict good">no defect found</p>' in text
    assert "annot be drawn" not in text
    assert 'class="asked" x=' not in section(text, "Coverage"), "no cell is missing"
    rows = pd.read_parquet(tiny / "clips", partitioning=None)
    counts = rows["split"].value_counts()
    for split, clips in counts.items():
        assert f'<td>{split}</td><td class="number">{clips}</td>' in section(text, "Splits")
    assert len(re.findall("<audio", text)) == 2 * len(counts)
    assert len(re.findall("<svg", section(text, "Phrases"))) == len(pd.read_parquet(tiny / "phrases.parquet"))


def test_the_same_dataset_gives_the_same_page(tiny: Path, audit_page: Path) -> None:
    assert page_text(tiny).encode() == audit_page.read_bytes()


def test_missing_cells_are_marked_and_explained(tiny: Path, tmp_path: Path) -> None:
    root = copy_dataset(tiny, tmp_path)
    gone = root / "clips/train/shard-000001.parquet"
    clips = len(pd.read_parquet(gone))
    gone.unlink()
    coverage = section(page_text(root), "Coverage")
    assert coverage.count('<rect class="asked"') >= 3, "each of the three maps shows it"
    row = re.search(r"<tr><td>train \+ validation</td>(.*?)</tr>", coverage)
    assert row
    cells = re.findall(r">([^<]*)</td>", row[1])
    assert int(cells[0]) - int(cells[1]) == int(cells[2]) == clips
    assert cells[4] == "not in the clip table of shards/train/shard-000001.tar"


def test_failures_are_counted_by_reason(tiny: Path, tmp_path: Path) -> None:
    root = copy_dataset(tiny, tmp_path)
    old = Layout(root).read("failures")
    failed = {"stage": "tones", "synth": "builtin", "reason": "silent", "detail": "peak 0", "shard": ""}
    rows = [{**failed, "preset": name} for name in ("a", "b")]
    write_table(root / "failures.parquet", type(old).from_pylist(rows, schema=old.schema))
    text = page_text(root)
    assert '<td>silent</td><td class="number">2</td><td>a: peak 0</td>' in section(text, "Failures")
    assert re.search(r'<td>builtin</td>(<td class="number">\d+</td>){3}<td class="number">2</td>', text)


def test_tampering_is_listed(tiny: Path, tmp_path: Path) -> None:
    root = copy_dataset(tiny, tmp_path)
    (root / "shards/validation/shard-000000.tar").unlink()
    (root / "shards/train/<b>notes.txt").write_text("hello")
    out = tmp_path / "page.html"
    done = commands.run("manifests", "audit", root, "--html", out)
    assert done.returncode == 1
    text = out.read_text(encoding="utf-8")
    assert '<p class="verdict bad">2 finding(s)</p>' in text
    findings = section(text, "Findings")
    assert "<td>missing</td><td>shards/validation/shard-000000.tar</td><td>is not there</td>" in findings
    assert "<td>foreign</td><td>shards/train/&lt;b&gt;notes.txt</td>" in findings
    assert '<div class="bad"><b>files</b>' in text
    assert "validation" not in "".join(re.findall(r"<figcaption>(\w+)<br>", section(text, "Clips")))


def truncate(name: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        (root / name).write_bytes((root / name).read_bytes()[:-100])

    return change


def first(table: str, **values: Any) -> Callable[[Path], None]:
    return lambda root: datasets.rewrite_table(root, table, lambda rows: rows[0].update(values))


def emptied(table: str) -> Callable[[Path], None]:
    return lambda root: datasets.rewrite_table(root, table, lambda rows: rows.clear())


def far_ids(root: Path) -> None:
    path = root / "clips/train/shard-000000.parquet"
    table = read_table(path, "clips")
    rows = table.to_pylist()
    rows[0] |= {"phrase": 2_000_000_000, "block": -3, "shard": "../../../etc/passwd", "split": "odd"}
    write_table(path, type(table).from_pylist(rows, schema=table.schema))


def unreadable_card(root: Path) -> None:
    (root / "README.md").write_bytes(b"\xff\xfe\x00")


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (truncate("phrases.parquet"), "table"),
        (truncate("failures.parquet"), "table"),
        (truncate("clips/train/shard-000000.parquet"), "table"),
        (change_setting("config"), "table"),
        (change_setting("config", "clip"), "malformed"),
        (change_setting("config", "tones"), "malformed"),
        (change_setting("config", "clip", "seconds", value="<b>long</b>"), "malformed"),
        (change_setting("seed", value="x"), "fingerprint"),
        (change_setting("name", value="half a pair: \ud800"), "malformed"),
        (change_setting("fingerprint_of", value=[]), "malformed"),
        (first("timbres", fingerprint=[1.0]), "malformed"),
        (first("phrases", notes=[]), "range"),
        (first("envelopes", attack_ms=-5.0), "range"),
        (first("shards", shard="../../x.tar"), "path"),
        (first("shards", split="odd"), "coverage"),
        (emptied("timbres"), "malformed"),
        (emptied("phrases"), "ids"),
        (emptied("shards"), "coverage"),
        (far_ids, "ids"),
        (unreadable_card, "card"),
        (lambda root: shutil.rmtree(root / "clips"), "missing"),
    ],
)
def test_a_broken_dataset_still_gives_its_findings_and_a_page(
    tiny: Path, tmp_path: Path, broken: Callable[[Path], None], check: str
) -> None:
    root = copy_dataset(tiny, tmp_path)
    broken(root)
    layout = Layout(root)
    audited = audit(layout, AuditOptions(deep=True), lambda _: None)
    text = render_page(layout, audited).decode()
    assert check in {finding.check for finding in audited.report.findings}
    for finding in audited.report.findings:
        assert f"<td>{escape(shorten(finding.check))}</td><td>{escape(shorten(finding.where))}</td>" in text
    assert "<b>long" not in text


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("{data}/page.html", "lies in the dataset"),
        ("{tmp}", "expected the name of a file"),
        ("s3://bucket/page.html", "expected the name of a file on this machine"),
        ("{tmp}/file/page.html", "--html"),
    ],
)
def test_an_unwritable_page_path_gives_a_one_line_error(
    tiny: Path, tmp_path: Path, place: str, message: str
) -> None:
    (tmp_path / "file").write_text("")
    done = commands.run("manifests", "audit", tiny, "--html", place.format(data=tiny, tmp=tmp_path))
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tiny / "page.html").exists()
