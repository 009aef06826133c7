"""The listening page and the blind test: what they hold, and that they work, in a real browser."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from manifests.layout import Layout
from manifests.seeds import stream
from manifests.vocabulary import BadInput
from tests.browser import Browser, chromium
from tests.train_codec import make_checkpoint
from tests.train_data import make_dataset
from train.data.blocks import read_clips
from train.data.pairs import KINDS, draw_pairs
from train.evaluate_cli import evaluate
from train.page_cli import page
from train.page_data import Beside, drawn, row_data, script_json
from train.page_figures import adsr_svg, pipeline_svg
from train.page_html import Facts, render
from train.page_ratings import read_ratings, score_ratings, summarise_ratings
from train.page_rows import BY_NUMBER, Curve, Panel, Row, envelope_words
from train.page_sounds import flac, indexed_png, power

RATE = 44_100
SECONDS = 0.6


def data_of(text: str) -> dict[str, Any]:
    """The data that a page's script draws from."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


# ---- of a dataset ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    folder = tmp_path_factory.mktemp("data")
    return make_dataset(folder, train=(4, 2, 2), seconds=SECONDS, validation=0.5)


@pytest.fixture(scope="module")
def checkpoint(layout: Layout, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("codec") / "tiny.safetensors", layout)


@pytest.fixture(scope="module")
def text(layout: Layout, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("page")
    evaluate(folder / "scores", [str(checkpoint)], str(layout.root), ["validation"], pairs=1)
    page(folder / "page.html", [str(checkpoint)], str(layout.root), 1, None, folder / "scores")
    return (folder / "page.html").read_text(encoding="utf-8")


def test_every_kind_and_the_example_by_number_are_there(text: str) -> None:
    rows = data_of(text)["rows"]
    assert [row["kind"] for row in rows] == [*KINDS, "reconstruction", "number"]
    assert {row["split"] for row in rows} == {"validation"}
    assert envelope_words(BY_NUMBER) in rows[-1]["words"]
    assert rows[-1]["scores"] == {}
    assert all("transplant_known" in row["scores"] for row in rows[:-1])
    assert "transplant, true notes" in text


def test_the_sounds_are_the_datasets_clips(layout: Layout, text: str) -> None:
    pair = draw_pairs(layout, "validation", KINDS[0], 1, 0)[0]
    clips = read_clips(layout, [pair.source, pair.reference, pair.target])
    sounds = data_of(text)["rows"][0]["sounds"]
    assert [sound["role"] for sound in sounds] == ["source", "reference", "target", "estimate"]
    for sound, key in zip(sounds, (pair.source, pair.reference, pair.target), strict=False):
        kind, encoded = sound["src"].split(";base64,")
        assert kind == "data:audio/flac"
        samples, rate = soundfile.read(io.BytesIO(base64.b64decode(encoded)), dtype="int16")
        assert rate == RATE
        np.testing.assert_array_equal(samples, clips[key])


def test_a_page_of_train_clips_does_not_call_them_unseen() -> None:
    facts = Facts([], [], [RATE], "drawn")
    rows = [{"split": "train", "kind": "both", "cases": [], "sounds": []}]
    assert "was not trained on" not in render(rows, None, facts)
    assert "clips that the codec was trained on" in render(rows, None, facts)
    assert "without a summary of scores" in render(rows, None, facts)
    assert "was not trained on" in render([rows[0] | {"split": "validation"}], None, facts)


def test_bad_scores_are_refused(layout: Layout, checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text("[]")
    out = tmp_path / "x.html"
    with pytest.raises(BadInput, match=r"summary\.json: not a summary"):
        page(out, [str(checkpoint)], str(layout.root), 1, None, tmp_path)
    with pytest.raises(BadInput, match="no scores there"):
        page(out, [str(checkpoint)], str(layout.root), 1, None, tmp_path / "nowhere")
    with pytest.raises(BadInput, match="expected --checkpoint with --data"):
        page(out, [str(checkpoint)])
    assert not out.exists()


# ---- drawings ------------------------------------------------------------------------------------------


def test_a_waveform_is_drawn_by_its_peaks() -> None:
    ramp = np.linspace(0.0, -0.5, 9600, dtype=np.float32)
    points = np.frombuffer(base64.b64decode(drawn(ramp, 0.5)), dtype=np.uint8)
    assert len(points) == 240
    assert points[-1] == 255
    assert int(points[120]) == pytest.approx(128, abs=2), "half the peak, half way up"


def test_short_sounds_can_be_drawn() -> None:
    for samples in (1, 10, 100):
        short = np.ones(samples, dtype=np.float32)
        assert len(base64.b64decode(drawn(short, 1.0))) == samples
        assert np.isfinite(power(short, 44_100)).all()


def test_a_tone_lies_where_the_axis_says() -> None:
    rate = 44_100
    tone = np.sin(2 * np.pi * 1000 * np.arange(rate) / rate).astype(np.float32)
    rows = power(tone, rate).sum(axis=1)
    expected = np.log(1000 / 50) / np.log(18_000 / 50) * len(rows)
    assert abs(int(np.argmax(rows)) - expected) <= 1.5


def test_the_png_is_one_that_others_read() -> None:
    image = pytest.importorskip("PIL.Image")
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    palette = np.stack([np.arange(256)] * 3, axis=1).astype(np.uint8)
    read = np.asarray(image.open(io.BytesIO(indexed_png(pixels, palette))).convert("L"))
    np.testing.assert_array_equal(read, pixels)


def test_flac_keeps_16_bits_and_clips_what_is_louder() -> None:
    audio = np.array([0.0, 0.5, -0.5, 1.5, -1.5] * 100, dtype=np.float32)
    samples, rate = soundfile.read(io.BytesIO(flac(audio, 22_050)), dtype="int16")
    assert rate == 22_050
    assert samples[:5].tolist() == [0, 16384, -16384, 32767, -32768]


def test_the_envelope_figure_comes_from_the_definition() -> None:
    line = re.search(r'<polyline class="line" points="([^"]+)"', adsr_svg())
    assert line
    heights = np.array([float(point.split(",")[1]) for point in line[1].split()])
    gains = (150.0 - heights) / 116.0
    assert gains[0] == pytest.approx(0.0, abs=1e-3)
    assert gains.max() == pytest.approx(1.0, abs=1e-3)
    end_ms = 120 + 60 + 180 + 240 + 240 + 40
    assert gains[round(440 * 450 / end_ms)] == pytest.approx(0.45, abs=1e-2)
    assert gains[round(440 * 720 / end_ms)] == pytest.approx(0.45 / 2, abs=1e-2)


def test_the_pipeline_figure_names_every_part() -> None:
    figure = pipeline_svg()
    for word in ("source", "reference", "content", "timbre", "envelope", "converted", "target"):
        assert f">{word}</text>" in figure


def test_data_in_a_script_cannot_end_it() -> None:
    assert "</script>" not in script_json(["</script><script>alert(1)//", "\u2028"])
    assert json.loads(script_json(["</script>"])) == ["</script>"]


# ---- of files, in a browser ------------------------------------------------------------------------------


def tone(hertz: float, level: float) -> np.ndarray:
    time = np.arange(round(SECONDS * RATE)) / RATE
    return level * np.sin(2 * np.pi * hertz * time) * np.minimum(1.0, 20 * time)


NAMES = ("one", "two", "</script><b>three")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pairs, two systems; the third pair's name would like to be markup."""
    folder = tmp_path_factory.mktemp("files")
    for number, name in enumerate(NAMES):
        hertz = 220.0 * (number + 1)
        sounds = {
            "orig": tone(hertz, 0.5), "ref": tone(330.0, 0.3), "gt": tone(hertz, 0.25),
            "alpha": tone(hertz, 0.05 * (number + 1)), "beta": tone(hertz * 1.5, 0.2),
        }  # fmt: skip
        for role, audio in sounds.items():
            (folder / f"{name}_{role}.wav").parent.mkdir(exist_ok=True, parents=True)
            soundfile.write(folder / f"{name}_{role}.wav", audio, RATE)
    return folder


@pytest.fixture(scope="module")
def written(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("page")
    evaluate(out / "scores", folder=folder)
    page(out / "page.html", folder=folder, scores=out / "scores")
    return out / "page.html"


def test_the_same_inputs_give_the_same_bytes(folder: Path, written: Path, tmp_path: Path) -> None:
    page(tmp_path / "again.html", folder=folder, scores=written.with_name("scores"))
    assert (tmp_path / "again.html").read_bytes() == written.read_bytes()


def test_a_long_page_has_its_sounds_beside_it(folder: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("train.page.INSIDE", 2)
    out = tmp_path / "long.html"
    for _ in range(2):  # the second time over the first's files
        page(out, folder=folder, scores=None, blind=True)
    files = sorted(path.name for path in (tmp_path / "long_files").iterdir())
    assert len(files) == 3 * 6
    assert not any("alpha" in name or "target" in name for name in files)
    (tmp_path / "long_files" / "mine.txt").write_text("")
    with pytest.raises(BadInput, match=r"long_files: holds 'mine\.txt', which no page put there"):
        page(out, folder=folder, scores=None, blind=True)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if chromium() is None:
        pytest.skip("chromium is not installed")
    with Browser(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture
def opened(browser: Browser, written: Path) -> Browser:
    browser.open(written)
    browser.wait("document.documentElement.classList.contains('ready')")
    return browser


PLAYING = "[...document.querySelectorAll('audio')].filter(a => !a.paused && a.currentTime > 0)"
FIRST = "document.querySelector('#row-1')"


def choose(browser: Browser, name: str, value: str) -> None:
    browser.run(
        f"(s => {{ s.value = {json.dumps(value)}; s.dispatchEvent(new Event('change', {{bubbles: true}})) }})"
        f"(document.querySelector('[name={name}]'))"
    )


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


def test_a_looped_sound_goes_on_after_its_end(opened: Browser) -> None:
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
    choose(opened, "sort", "mstft_floored")
    assert shown(opened) == worst_first
    choose(opened, "order", "best")
    assert shown(opened) == worst_first[::-1]
    choose(opened, "sort", "")
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
    heard = [rms * volume for rms, volume in levels if rms > 1e-4]
    assert len(heard) == 5
    assert heard == pytest.approx([heard[0]] * len(heard), rel=1e-3)
    opened.press(" ")


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_nothing_is_wider_than_the_screen(opened: Browser, width: int) -> None:
    opened.size(width, 800)
    assert opened.run("document.documentElement.scrollWidth") <= width
    inside = "[...document.querySelectorAll('.row *:not(.row-scores *)')]"
    assert opened.run(f"Math.max(...{inside}.map(e => e.getBoundingClientRect().right))") <= width


def controls_without_names(browser: Browser) -> tuple[int, list[Any]]:
    nodes = browser.send("Accessibility.getFullAXTree")["nodes"]
    roles = ("button", "slider", "combobox", "checkbox", "image", "radio", "searchbox", "textbox")
    controls = [
        node for node in nodes if node.get("role", {}).get("value") in roles and not node.get("ignored")
    ]
    return len(controls), [node for node in controls if not node.get("name", {}).get("value")]


def test_every_control_has_a_name(opened: Browser) -> None:
    count, unnamed = controls_without_names(opened)
    assert count > 15 * 2
    assert unnamed == []


def test_a_page_of_a_thousand_pairs_draws_a_few_and_more_on_the_way(browser: Browser, tmp_path: Path) -> None:
    audio = tone(440.0, 0.5).astype(np.float32)
    panels = tuple(
        Panel(role, (role,), audio, (Curve("true", "its level", np.abs(audio)),))
        for role in ("source", "reference", "target", "a", "b", "c", "d")
    )
    draws = stream(0, "page").random(1000)
    rows = []
    first = row_data(1, Row("p", "both", "files", "t", "w", panels), RATE, Beside(tmp_path / "page.html"))
    for number, draw in enumerate(draws, start=1):
        rows.append(first | {"id": number, "scores": {"a": {"f_pitch": float(draw)}}})
    out = tmp_path / "page.html"
    out.write_text(render(rows, None, Facts([], [], [RATE], "")), encoding="utf-8")
    browser.errors.clear()
    browser.open(out)
    browser.wait("document.documentElement.classList.contains('ready')")
    few = len(shown(browser))
    assert 12 <= few < 100
    browser.run("document.getElementById('more').scrollIntoView()")
    browser.wait(f"document.querySelectorAll('.row').length > {few}")
    choose(browser, "sort", "f_pitch")
    assert shown(browser)[0] == f"row-{int(np.argmin(draws)) + 1}"
    browser.press("a")
    browser.press(" ")
    browser.wait(f"{PLAYING}.length === 1")
    browser.press(" ")
    assert browser.errors == []


# ---- the blind test --------------------------------------------------------------------------------------


def test_a_blind_test_hides_what_is_what_and_its_ratings_are_scored(
    browser: Browser, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "test.html"
    page(out, folder=folder, blind=True)
    text = out.read_text()
    assert "alpha" not in text
    assert "beta" not in text
    with (tmp_path / "test.key.csv").open() as file:
        key = {row["stimulus"]: row for row in csv.DictReader(file)}
    methods = {"alpha", "beta", "target", "copy_of_reference"}
    assert {row["method"] for row in key.values()} == methods
    orders = {tuple(key[s["name"]]["method"] for s in trial["stimuli"]) for trial in data_of(text)["trials"]}
    assert len(orders) > 1, "each trial has its own order"

    browser.errors.clear()
    browser.open(out)
    browser.wait("document.documentElement.classList.contains('ready')")
    assert controls_without_names(browser)[1] == []
    assert browser.run("document.querySelector('.save').disabled")
    points = {"alpha": 4, "beta": 2, "target": 5, "copy_of_reference": 1}
    for stimulus, row in key.items():
        for question in ("timbre", "envelope", "content"):
            name = f"{stimulus} {question}"
            browser.run(
                f'document.querySelector(\'[name="{name}"][value="{points[row["method"]]}"]\').click()'
            )
    tables = []
    for rater in ("ann", "bob, the second"):
        choose(browser, "rater", rater)
        tables.append(tmp_path / f"{len(tables)}.csv")
        tables[-1].write_text(browser.run("window.ratingsTable()"))
    assert browser.run("document.getElementById('progress').textContent") == "36 of 36 ratings"
    assert not browser.run("document.querySelector('.save').disabled")
    browser.press("c")
    browser.press(" ")
    browser.wait(f"{PLAYING}.length === 1")
    browser.press(" ")
    assert browser.errors == []
    browser.run("document.querySelector('.save').click()")

    summary = score_ratings(tmp_path / "test.key.csv", tables, tmp_path / "scored", 0)
    assert (summary["listeners"], summary["trials"], summary["ratings"]) == (2, 3, 72)
    found = {row["method"]: row for row in summary["scores"] if row["question"] == "envelope"}
    assert {method: row["mean"] for method, row in found.items()} == points
    assert "| copy of reference | 1.00 (1.00 to 1.00) |" in (tmp_path / "scored" / "ratings.md").read_text()


def test_ratings_that_cannot_be_are_refused_by_line(tmp_path: Path) -> None:
    key, given = tmp_path / "key.csv", tmp_path / "r.csv"
    key.write_text(
        "stimulus,trial,method,pair,kind,split,timbre_cluster,phrase_cluster\ns1,t1,a,p,both,f,x,y\n"
    )
    head = "test,rater,trial,stimulus,timbre,envelope,content\n"
    cases = {
        "z,ann,t1,s1,7,,\n": r"r\.csv line 2: timbre '7': expected 1 to 5",
        "z,ann,t1,s2,1,,\n": r"r\.csv line 2: stimulus 's2' is not in key\.csv",
        "z,,t1,s1,1,,\n": r"r\.csv line 2: column 'rater' is empty",
        "z,ann,t1,s1,1,,\nz,ann,t1,s1,2,,\n": r"r\.csv line 3: ann has rated s1 before",
        "z,ann,t1,s1,,,\n": r"r\.csv: holds no ratings",
    }
    for lines, says in cases.items():
        given.write_text(head + lines)
        with pytest.raises(BadInput, match=says):
            read_ratings(key, [given])
    given.write_text("a,b\n1,2\n")
    with pytest.raises(BadInput, match="column 'test' is missing"):
        read_ratings(key, [given])


def test_a_difference_between_systems_needs_listeners_and_trials() -> None:
    import pandas as pd

    draws = stream(3, "ratings").random((12, 10, 2))
    rows = [
        {"rater": r, "trial": t, "question": "timbre", "method": m, "points": np.round(base + draws[r, t, i])}
        for r in range(12) for t in range(10) for i, (m, base) in enumerate((("a", 3.5), ("b", 2.5)))
    ]  # fmt: skip
    summary = summarise_ratings(pd.DataFrame(rows), 0)
    gap = summary["differences"][0]
    assert gap["mean"] == pytest.approx(1.0, abs=0.15)
    assert gap["low"] > 0
    assert gap["p"] < 0.02
