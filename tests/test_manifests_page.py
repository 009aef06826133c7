"""The audit's page: what it shows, that it works in a real browser, and that no dataset can break it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from manifests.audit import draw
from manifests.audit.markup import LONGEST, words
from manifests.audit.page import page
from manifests.audit.run import Tiers, audit
from manifests.layout import Layout, read_table, write_table
from manifests.vocabulary import Note
from tests import rendered
from tests.browser import Browser, chromium

PARTS = (
    "Checks", "Splits", "Coverage", "Clips", "Parameters", "Envelope families", "Phrases", "Timbres",
    "Failures",
)  # fmt: skip
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def written(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("audit") / "deeper" / "page.html"
    rendered.succeed("manifests", "audit", tiny, "--html", out)
    assert [path.name for path in out.parent.iterdir()] == ["page.html"]
    return out


def text_of(root: Path) -> str:
    layout = Layout(root)
    return page(layout, audit(layout, Tiers(), lambda _: None)).decode()


def part(text: str, title: str) -> str:
    """The HTML of one section."""
    found = re.search(rf"<section><h2>{title}</h2>(.*?)</section>", text, re.DOTALL)
    assert found, title
    return found[1]


def copied(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "copy", ignore=shutil.ignore_patterns(".work")))


def rewrite(root: Path, table: str, change: Callable[[Rows], None]) -> None:
    """Rewrites one of a folder's tables."""
    old = Layout(root).read(table)
    rows = old.to_pylist(maps_as_pydicts="strict")
    change(rows)
    write_table(Layout(root).table(table), type(old).from_pylist(rows, schema=old.schema))


# ---- what it shows ---------------------------------------------------------------------------------------


def test_a_good_datasets_page_has_every_part_and_no_finding(tiny: Path, written: Path) -> None:
    text = written.read_text(encoding="utf-8")
    assert tuple(re.findall(r"<h2>(.*?)</h2>", text)) == PARTS
    assert '<p class="verdict good">no defect found</p>' in text
    assert "annot be drawn" not in text
    assert 'class="asked" x=' not in part(text, "Coverage"), "no cell is missing"
    rows = pd.read_parquet(tiny / "clips", partitioning=None)
    counts = rows["split"].value_counts()
    for split, clips in counts.items():
        assert f'<td>{split}</td><td class="number">{clips}</td>' in part(text, "Splits")
    assert len(re.findall("<audio", text)) == 2 * len(counts)
    assert len(re.findall("<svg", part(text, "Phrases"))) == len(pd.read_parquet(tiny / "phrases.parquet"))


def test_the_same_dataset_gives_the_same_page(tiny: Path, written: Path) -> None:
    assert text_of(tiny).encode() == written.read_bytes()


def test_missing_cells_are_marked_and_explained(tiny: Path, tmp_path: Path) -> None:
    root = copied(tiny, tmp_path)
    gone = root / "clips/train/shard-000001.parquet"
    clips = len(pd.read_parquet(gone))
    gone.unlink()
    coverage = part(text_of(root), "Coverage")
    assert coverage.count('<rect class="asked"') >= 3, "each of the three maps shows it"
    row = re.search(r"<tr><td>train \+ validation</td>(.*?)</tr>", coverage)
    assert row
    cells = re.findall(r">([^<]*)</td>", row[1])
    assert int(cells[0]) - int(cells[1]) == int(cells[2]) == clips
    assert cells[4] == "not in the clip table of shards/train/shard-000001.tar"


def test_what_failed_is_counted_with_its_reason(tiny: Path, tmp_path: Path) -> None:
    root = copied(tiny, tmp_path)
    old = Layout(root).read("failures")
    failed = {"stage": "tones", "synth": "builtin", "reason": "silent", "detail": "peak 0", "shard": ""}
    rows = [{**failed, "preset": name} for name in ("a", "b")]
    write_table(root / "failures.parquet", type(old).from_pylist(rows, schema=old.schema))
    text = text_of(root)
    assert '<td>silent</td><td class="number">2</td><td>a: peak 0</td>' in part(text, "Failures")
    assert re.search(r'<td>builtin</td>(<td class="number">\d+</td>){3}<td class="number">2</td>', text)


def test_tampering_is_listed(tiny: Path, tmp_path: Path) -> None:
    root = copied(tiny, tmp_path)
    (root / "shards/validation/shard-000000.tar").unlink()
    (root / "shards/train/<b>notes.txt").write_text("hello")
    out = tmp_path / "page.html"
    done = rendered.command("manifests", "audit", root, "--html", out)
    assert done.returncode == 1
    text = out.read_text(encoding="utf-8")
    assert '<p class="verdict bad">2 finding(s)</p>' in text
    findings = part(text, "Findings")
    assert "<td>missing</td><td>shards/validation/shard-000000.tar</td><td>is not there</td>" in findings
    assert "<td>foreign</td><td>shards/train/&lt;b&gt;notes.txt</td>" in findings
    assert '<div class="bad"><b>files</b>' in text
    assert "validation" not in "".join(re.findall(r"<figcaption>(\w+)<br>", part(text, "Clips")))


def truncate(name: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        (root / name).write_bytes((root / name).read_bytes()[:-100])

    return change


def setting(*names: str, value: Any = None) -> Callable[[Path], None]:
    """Sets (without a value: removes) one setting of dataset.json."""

    def change(root: Path) -> None:
        metadata = json.loads((root / "dataset.json").read_bytes())
        inner = metadata
        for name in names[:-1]:
            inner = inner[name]
        if value is None:
            del inner[names[-1]]
        else:
            inner[names[-1]] = value
        (root / "dataset.json").write_text(json.dumps(metadata))

    return change


def first(table: str, **values: Any) -> Callable[[Path], None]:
    return lambda root: rewrite(root, table, lambda rows: rows[0].update(values))


def emptied(table: str) -> Callable[[Path], None]:
    return lambda root: rewrite(root, table, lambda rows: rows.clear())


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
        (setting("config"), "table"),
        (setting("config", "clip"), "malformed"),
        (setting("config", "tones"), "malformed"),
        (setting("config", "clip", "seconds", value="<b>long</b>"), "malformed"),
        (setting("seed", value="x"), "fingerprint"),
        (setting("name", value="half a pair: \ud800"), "malformed"),
        (setting("fingerprint_of", value=[]), "malformed"),
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
    root = copied(tiny, tmp_path)
    broken(root)
    layout = Layout(root)
    audited = audit(layout, Tiers(deep=True), lambda _: None)
    text = page(layout, audited).decode()
    assert check in {finding.check for finding in audited.report.findings}
    for finding in audited.report.findings:
        assert f"<td>{words(finding.check)}</td><td>{words(finding.where)}</td>" in text
    assert "<b>long" not in text


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("{data}/page.html", "lies in the dataset"),
        ("{tmp}", "expected the name of a file"),
        ("s3://bucket/page.html", "expected the name of a file on this machine"),
        ("{tmp}/file/page.html", "--html"),
    ],
)
def test_a_page_that_cannot_be_written_is_refused_in_one_line(
    tiny: Path, tmp_path: Path, place: str, said: str
) -> None:
    (tmp_path / "file").write_text("")
    done = rendered.command("manifests", "audit", tiny, "--html", place.format(data=tiny, tmp=tmp_path))
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tiny / "page.html").exists()


def test_a_long_name_is_cut() -> None:
    assert len(words("x" * 10_000)) == LONGEST


# ---- drawings --------------------------------------------------------------------------------------------


def heights(picture: str, kind: str) -> list[float]:
    return [float(h) for h in re.findall(rf'class="{kind}" [^>]*height="([\d.]+)"', picture)]


def test_bars_are_as_high_as_their_counts() -> None:
    values = np.array([0.0] * 6 + [9.9] * 3)
    picture = draw.histogram([("train", values, None), ("test", np.array([9.9]), None)], "ms", (0.0, 20.0))
    assert heights(picture, "train") == pytest.approx([82.0, 41.0], abs=0.1)
    assert heights(picture, "test") == pytest.approx([82.0 / 6], abs=0.1)
    line = re.search(r'class="asked" x1="([\d.]+)" x2="([\d.]+)"', picture)
    assert line
    assert [float(x) for x in line.groups()] == [0.0, draw.WIDTH]
    assert ">20 ms<" in picture


def test_the_even_height_is_that_of_a_flat_histogram() -> None:
    flat = np.linspace(0.001, 9.999, 2600)
    picture = draw.histogram([("train", flat, None)], "", (0.0, 10.0), even=True)
    line = re.search(r'class="even" [^>]*y1="([\d.]+)"', picture)
    assert line
    assert float(line[1]) == pytest.approx(88.0 - 82.0, abs=1.0)


def test_a_map_joins_equal_neighbours_and_leaves_out_what_is_empty() -> None:
    share = np.array([[1.0, 1.0, 0.0], [1.0, 0.5, 0.5]])
    kind = np.array([["train", "train", "train"], ["asked", "test", "test"]])
    found = re.findall(
        r'<rect class="(\w+)" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"', draw.heat(share, kind, "a", "b")
    )
    third = draw.WIDTH / 3
    assert [(name, *(round(float(v)) for v in at)) for name, *at in found if name != "frame"] == [
        ("train", 0, 0, round(2 * third)),
        ("asked", 0, 100, round(third)),
        ("test", round(third), 100, round(2 * third)),
    ]


def test_a_roll_places_notes_by_time_and_pitch() -> None:
    picture = draw.roll((Note(1.5, 0.75, 60, 127),), 3.0, "train", 60, 71)
    x, y, width = (
        float(v) for v in re.findall(r'class="train" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"', picture)[0]
    )
    assert (x, width) == (draw.WIDTH / 2, draw.WIDTH / 4 - 1)
    assert y == pytest.approx(77.0), "the lowest pitch is at the bottom"


def test_a_class_is_never_what_a_table_says() -> None:
    hostile = 'x" onload="alert(1)'
    pictures = (
        draw.roll((Note(0.0, 1.0, 60, 100),), 3.0, hostile, 50, 70)
        + draw.curves([(hostile, np.ones(3))], 10.0, 5.0)
        + draw.heat(np.ones((1, 1)), np.array([[hostile]]), hostile, hostile)
        + draw.strips({hostile: np.array([1.0, 2.0])})
    )
    assert 'onload="' not in pictures


# ---- in a browser ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if chromium() is None:
        pytest.skip("chromium is not installed")
    with Browser(tmp_path_factory.mktemp("profile")) as running:
        yield running


def outside(browser: Browser) -> set[str]:
    return {url for url in browser.requests if not url.startswith(("data:", "file:"))}


def test_the_pictures_are_there_and_the_audio_plays(browser: Browser, written: Path) -> None:
    browser.open(written)
    browser.wait("[...document.querySelectorAll('audio')].every(a => a.readyState >= 1)")
    lengths = browser.run("[...document.querySelectorAll('audio')].map(a => a.duration)")
    assert lengths == pytest.approx([3.0] * 12, abs=0.01)
    browser.run("document.querySelectorAll('audio')[3].play()")
    browser.wait("document.querySelectorAll('audio')[3].currentTime > 0.2")
    empty = (
        "[...document.querySelectorAll('svg')].filter(s => s.getBoundingClientRect().height < 40"
        " || !s.querySelector('rect:not(.frame), polyline, polygon')"
        " || s.getBBox().width < 100).length"
    )
    assert browser.run("document.querySelectorAll('svg').length") > 40
    assert browser.run(empty) == 0
    assert browser.errors == []
    assert outside(browser) == set()


@pytest.mark.parametrize("width", [360, 390, 768, 1280])
def test_nothing_is_wider_than_the_screen(browser: Browser, written: Path, width: int) -> None:
    browser.open(written, width)
    assert browser.run("document.documentElement.scrollWidth") <= width


def test_every_player_and_picture_has_a_name_and_text_can_be_read(browser: Browser, written: Path) -> None:
    for dark in (False, True):
        browser.open(written, dark=dark)
        sizes = browser.run(
            "[...document.querySelectorAll('svg text')].map(t => t.getBoundingClientRect().height)"
        )
        assert min(sizes) > 9.0
        nodes = browser.send("Accessibility.getFullAXTree")["nodes"]
        images = [n for n in nodes if n.get("role", {}).get("value") == "image" and not n.get("ignored")]
        assert len(images) > 40
        assert all(node.get("name", {}).get("value") for node in images)


HOSTILE = '"><img src=x onerror="window.hacked=1"></style></svg><script>window.hacked=1</script>'


def named(rows: Rows) -> None:
    for place, row in enumerate(rows):
        row |= {"name": HOSTILE, "preset": HOSTILE, "synth": HOSTILE, "parameters": {HOSTILE: float(place)}}


def phrased(rows: Rows) -> None:
    for row in rows:
        row |= {"source": HOSTILE, "side": HOSTILE}


def test_names_from_the_dataset_are_text_and_nothing_else(
    tiny: Path, tmp_path: Path, browser: Browser
) -> None:
    root = copied(tiny, tmp_path)
    (root / f"shards/{HOSTILE.replace('/', '_')}").write_text("")
    setting("name", value=HOSTILE)(root)
    setting("fingerprint", value=HOSTILE)(root)
    rewrite(root, "timbres", named)
    rewrite(root, "phrases", phrased)
    rewrite(root, "envelopes", lambda rows: rows[0].update(family=HOSTILE, side=HOSTILE))
    old = Layout(root).read("failures")
    failed = [dict.fromkeys(("stage", "synth", "preset", "reason", "detail", "shard"), HOSTILE)]
    write_table(root / "failures.parquet", type(old).from_pylist(failed, schema=old.schema))
    out = tmp_path / "page.html"
    out.write_text(text_of(root), encoding="utf-8")
    browser.open(out)
    assert browser.run("document.querySelectorAll('script, img, iframe, object, embed').length") == 0
    attributes = "[...document.querySelectorAll('*')].flatMap(e => [...e.attributes].map(a => a.name))"
    assert browser.run(f"{attributes}.filter(name => name.startsWith('on')).length") == 0
    assert browser.run("window.hacked === undefined")
    assert browser.run("document.title") == f"{HOSTILE}: audit"
    assert browser.run("document.querySelector('h1').textContent") == HOSTILE
    for title in ("Phrases", "Timbres", "Failures", "Envelope families", "Clips"):
        titled = f"s => s.querySelector('h2').textContent === '{title}'"
        shown = browser.run(f"[...document.querySelectorAll('section')].find({titled}).textContent")
        assert HOSTILE[:60] in shown, title
    assert browser.errors == []
    assert outside(browser) == set()
