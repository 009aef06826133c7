"""The audit page in Chromium: pictures, audio, any screen size, and hostile names."""

from __future__ import annotations

from pathlib import Path

import pytest

from manifests.dataset.layout import Layout, write_table
from tests.support import datasets
from tests.support.audit_page import change_setting, copy_dataset, page_text
from tests.support.chromium import Browser

HOSTILE = '"><img src=x onerror="window.hacked=1"></style></svg><script>window.hacked=1</script>'


def outside(browser: Browser) -> set[str]:
    return {url for url in browser.requests if not url.startswith(("data:", "file:"))}


def test_the_pictures_are_there_and_the_audio_plays(browser: Browser, audit_page: Path) -> None:
    browser.open(audit_page)
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
def test_nothing_is_wider_than_the_screen(browser: Browser, audit_page: Path, width: int) -> None:
    browser.open(audit_page, width)
    assert browser.run("document.documentElement.scrollWidth") <= width


def test_every_player_and_picture_has_a_name_and_text_can_be_read(browser: Browser, audit_page: Path) -> None:
    for dark in (False, True):
        browser.open(audit_page, dark=dark)
        sizes = browser.run(
            "[...document.querySelectorAll('svg text')].map(t => t.getBoundingClientRect().height)"
        )
        assert min(sizes) > 9.0
        nodes = browser.send("Accessibility.getFullAXTree")["nodes"]
        images = [n for n in nodes if n.get("role", {}).get("value") == "image" and not n.get("ignored")]
        assert len(images) > 40
        assert all(node.get("name", {}).get("value") for node in images)


def named(rows: datasets.Rows) -> None:
    for place, row in enumerate(rows):
        row |= {"name": HOSTILE, "preset": HOSTILE, "synth": HOSTILE, "parameters": {HOSTILE: float(place)}}


def phrased(rows: datasets.Rows) -> None:
    for row in rows:
        row |= {"source": HOSTILE, "side": HOSTILE}


def test_names_from_the_dataset_cannot_inject_markup(tiny: Path, tmp_path: Path, browser: Browser) -> None:
    root = copy_dataset(tiny, tmp_path)
    (root / f"shards/{HOSTILE.replace('/', '_')}").write_text("")
    change_setting("name", value=HOSTILE)(root)
    change_setting("fingerprint", value=HOSTILE)(root)
    datasets.rewrite_table(root, "timbres", named)
    datasets.rewrite_table(root, "phrases", phrased)
    datasets.rewrite_table(root, "envelopes", lambda rows: rows[0].update(family=HOSTILE, side=HOSTILE))
    old = Layout(root).read("failures")
    failed = [dict.fromkeys(("stage", "synth", "preset", "reason", "detail", "shard"), HOSTILE)]
    write_table(root / "failures.parquet", type(old).from_pylist(failed, schema=old.schema))
    out = tmp_path / "page.html"
    out.write_text(page_text(root), encoding="utf-8")
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
