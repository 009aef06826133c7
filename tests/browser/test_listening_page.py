"""The listening page of audio files in Chromium."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from manifests.splits.seeds import stream
from tests.support.chromium import Browser
from tests.support.listening_page import (
    PLAYING,
    RATE,
    SECONDS,
    controls_without_names,
    select_option,
    tone,
)
from train.cli.evaluate import evaluate
from train.cli.page import page
from train.evaluation.page.data import ExternalAssets, row_data
from train.evaluation.page.html import PageFacts, render_page
from train.evaluation.page.rows import Curve, Panel, Row


@pytest.fixture(scope="module")
def written(page_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("page")
    evaluate(out / "scores", folder=page_files)
    page(out / "page.html", folder=page_files, scores=out / "scores")
    return out / "page.html"


@pytest.fixture
def opened(browser: Browser, written: Path) -> Browser:
    browser.open(written)
    browser.wait("document.documentElement.classList.contains('ready')")
    return browser


def shown(browser: Browser) -> list[str]:
    rows: list[str] = browser.run("[...document.querySelectorAll('.row')].map(r => r.id)")
    return rows


def test_all_sounds_load_without_errors_or_requests(opened: Browser) -> None:
    assert shown(opened) == ["row-1", "row-2", "row-3"]
    opened.run("document.querySelectorAll('audio').forEach(a => { a.preload = 'auto'; a.load(); })")
    opened.wait("[...document.querySelectorAll('audio')].every(a => a.readyState >= 3)")
    lengths = opened.run("[...document.querySelectorAll('audio')].map(a => a.duration)")
    assert lengths == pytest.approx([SECONDS] * 15, abs=0.01)
    opened.run("[...document.images].forEach(i => { i.loading = 'eager'; })")
    opened.wait("[...document.images].every(i => i.naturalWidth > 100)")
    assert opened.errors == []
    outside = {url for url in opened.requests if not url.startswith(("data:", "file:"))}
    assert outside == set()


def test_names_cannot_inject_markup(opened: Browser) -> None:
    assert opened.run("document.querySelector('#rows b + b, #rows h3 b')") is None
    titles = opened.run("[...document.querySelectorAll('h3')].map(h => h.textContent).join()")
    assert "</script><b>three" in titles


def test_switching_between_sounds_keeps_the_position(opened: Browser) -> None:
    opened.run("document.querySelector('[name=loop]').click()")
    opened.press("d")
    opened.press(" ")
    opened.wait(f"{PLAYING}.length === 1 && {PLAYING}[0].currentTime > 0.2")
    assert opened.run(f"{PLAYING}[0].closest('.panel').dataset.role") == "alpha"
    before = opened.run(f"{PLAYING}[0].currentTime")
    opened.press("a")
    opened.wait(f"{PLAYING}.length === 1 && {PLAYING}[0].closest('.panel').dataset.role === 'source'")
    after = opened.run(f"{PLAYING}[0].currentTime")
    assert before - 0.01 <= after < before + 0.5
    opened.press(" ")
    opened.wait(f"{PLAYING}.length === 0")
    assert opened.errors == []


def test_a_looped_sound_repeats(opened: Browser) -> None:
    opened.run("document.querySelector('[name=loop]').click()")
    opened.press(" ")
    opened.wait(f"{PLAYING}.length === 1 && {PLAYING}[0].currentTime > 0.45")
    opened.wait(f"{PLAYING}.length === 1 && {PLAYING}[0].currentTime < 0.4")
    opened.press(" ")


def test_only_one_row_plays_and_keys_walk_through_rows(opened: Browser) -> None:
    opened.press(" ")
    opened.wait(f"{PLAYING}.length === 1")
    opened.press("n")
    opened.wait(f"{PLAYING}.length === 0")
    assert opened.run("document.querySelector('.row.current').id") == "row-2"
    opened.press("p")
    assert opened.run("document.querySelector('.row.current').id") == "row-1"


def test_clicking_a_waveform_plays_from_there(opened: Browser) -> None:
    opened.run("document.querySelector('[name=loop]').click()")
    opened.run("document.querySelector('#row-2').scrollIntoView({behavior: 'instant'})")
    box = opened.run(
        "(b => [b.left, b.top, b.width, b.height])"
        "(document.querySelector('#row-2 [data-role=target] .view').getBoundingClientRect())"
    )
    opened.click(box[0] + 0.6 * box[2], box[1] + 0.5 * box[3])
    opened.wait(f"{PLAYING}.length === 1")
    assert opened.run(f"{PLAYING}[0].closest('.panel').dataset.role") == "target"
    opened.press(" ")


def test_rows_are_sorted_and_filtered(opened: Browser) -> None:
    scores = opened.run(
        "JSON.parse(document.getElementById('data').textContent).rows.map(r => r.scores.alpha.mstft_floored)"
    )
    worst_first = [f"row-{i + 1}" for i in sorted(range(3), key=lambda i: -scores[i])]
    select_option(opened, "sort", "mstft_floored")
    assert shown(opened) == worst_first
    select_option(opened, "order", "best")
    assert shown(opened) == worst_first[::-1]
    select_option(opened, "sort", "")
    opened.run("document.querySelector('[name=find]').value = 'TWO'")
    opened.run("document.querySelector('[name=find]').dispatchEvent(new Event('input', {bubbles: true}))")
    assert shown(opened) == ["row-3"]
    assert opened.run("document.getElementById('shown').textContent") == "1 of 3 rows"
    assert opened.errors == []


def test_matched_loudness_makes_levels_equal(opened: Browser) -> None:
    opened.press(" ")
    opened.wait(f"{PLAYING}.length === 1")
    levels = opened.run(
        "[...document.querySelectorAll('#row-1 .panel')]"
        ".map(p => [+p.dataset.rms, p.querySelector('audio').volume])"
    )
    loudness = [rms * volume for rms, volume in levels if rms > 1e-4]
    assert len(loudness) == 5
    assert loudness == pytest.approx([loudness[0]] * len(loudness), rel=1e-3)
    opened.press(" ")


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_nothing_is_wider_than_the_screen(opened: Browser, width: int) -> None:
    opened.size(width, 800)
    assert opened.run("document.documentElement.scrollWidth") <= width
    inside = "[...document.querySelectorAll('.row *:not(.row-scores *)')]"
    assert opened.run(f"Math.max(...{inside}.map(e => e.getBoundingClientRect().right))") <= width


def test_every_control_has_a_name(opened: Browser) -> None:
    count, unnamed = controls_without_names(opened)
    assert count > 15 * 2
    assert unnamed == []


def test_a_page_of_a_thousand_pairs_renders_rows_lazily(browser: Browser, tmp_path: Path) -> None:
    audio = tone(440.0, 0.5).astype(np.float32)
    panels = tuple(
        Panel(role, (role,), audio, (Curve("true", "its level", np.abs(audio)),))
        for role in ("source", "reference", "target", "a", "b", "c", "d")
    )
    draws = stream(0, "page").random(1000)
    rows = []
    first = row_data(
        1, Row("p", "both", "files", "t", "w", panels), RATE, ExternalAssets(tmp_path / "page.html")
    )
    for number, draw in enumerate(draws, start=1):
        rows.append(first | {"id": number, "scores": {"a": {"f_pitch": float(draw)}}})
    out = tmp_path / "page.html"
    out.write_text(render_page(rows, None, PageFacts([], [], [RATE], "")), encoding="utf-8")
    browser.errors.clear()
    browser.open(out)
    browser.wait("document.documentElement.classList.contains('ready')")
    few = len(shown(browser))
    assert 12 <= few < 100
    browser.run("document.getElementById('more').scrollIntoView()")
    browser.wait(f"document.querySelectorAll('.row').length > {few}")
    select_option(browser, "sort", "f_pitch")
    assert shown(browser)[0] == f"row-{int(np.argmin(draws)) + 1}"
    browser.press("a")
    browser.press(" ")
    browser.wait(f"{PLAYING}.length === 1")
    browser.press(" ")
    assert browser.errors == []


def test_the_same_inputs_give_the_same_bytes(page_files: Path, written: Path, tmp_path: Path) -> None:
    page(tmp_path / "again.html", folder=page_files, scores=written.with_name("scores"))
    assert (tmp_path / "again.html").read_bytes() == written.read_bytes()
