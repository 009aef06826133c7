"""The listening page: what it holds, and that it works, in a real browser."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from manifests.layout import Layout
from manifests.vocabulary import BadInput
from tests.browser import Browser, chromium
from tests.train_codec import make_checkpoint
from tests.train_data import make_dataset
from train.data.blocks import read_clips
from train.data.pairs import KINDS, draw_pairs
from train.data.tables import Tables
from train.evaluate_cli import evaluate
from train.page_cli import page
from train.page_figures import adsr_svg
from train.page_rows import BY_NUMBER, envelope_words
from train.page_sounds import curve_path, flac, indexed_png, power, waveform_path

PAIRS = 1
ROWS = 2 * len(KINDS) * PAIRS + 1


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    folder = tmp_path_factory.mktemp("data")
    return make_dataset(folder, train=(4, 2, 2), test=(2, 2, 2), seconds=0.6, validation=0.5)


@pytest.fixture(scope="module")
def checkpoint(layout: Layout, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("codec") / "tiny.safetensors", layout)


@pytest.fixture(scope="module")
def scores(layout: Layout, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scores")
    evaluate(folder, [str(checkpoint)], layout.root, ["validation", "test_unseen_all"], pairs=1)
    return folder


@pytest.fixture(scope="module")
def written(layout: Layout, checkpoint: Path, scores: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("page") / "page.html"
    page(checkpoint, layout.root, out, PAIRS, None, scores)
    return out


@pytest.fixture(scope="module")
def text(written: Path) -> str:
    return written.read_text(encoding="utf-8")


def sounds(text: str) -> list[tuple[str, np.ndarray, int]]:
    """(role, samples, rate) of every sound on the page."""
    found = re.findall(r'data-role="(\w+)".*?src="data:audio/flac;base64,([^"]+)"', text, re.DOTALL)
    return [
        (role, *soundfile.read(io.BytesIO(base64.b64decode(data)), dtype="int16")) for role, data in found
    ]


def test_every_kind_and_the_example_by_number_are_there(text: str) -> None:
    kinds = re.findall(r'<section class="row".*?data-kind="(\w+)" data-split="(\w+)"', text)
    validation = [(kind, "validation") for kind in KINDS]
    unseen = [(kind, "test_unseen_all") for kind in KINDS]
    assert kinds == [*validation, ("number", "validation"), *unseen]
    assert envelope_words(BY_NUMBER) in text


def test_the_sounds_are_the_datasets_clips(layout: Layout, text: str) -> None:
    pair = draw_pairs(layout, "validation", KINDS[0], PAIRS, 0)[0]
    clips = read_clips(layout, [pair.source, pair.reference, pair.target])
    first = sounds(text)[:4]
    assert [role for role, _, _ in first] == ["source", "reference", "target", "converted"]
    for (_, samples, rate), key in zip(first, (pair.source, pair.reference, pair.target), strict=False):
        assert rate == 44_100
        np.testing.assert_array_equal(samples, clips[key])


def test_the_same_inputs_give_the_same_bytes(
    layout: Layout, checkpoint: Path, scores: Path, written: Path, tmp_path: Path
) -> None:
    page(checkpoint, layout.root, tmp_path / "again.html", PAIRS, None, scores)
    assert (tmp_path / "again.html").read_bytes() == written.read_bytes()


def test_names_from_the_dataset_cannot_inject_markup(
    layout: Layout, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = Tables.open(layout.root)
    tables.timbre_names[:] = ['"><script>alert(1)</script>'] * len(tables.timbre_names)
    monkeypatch.setattr(Tables, "open", classmethod(lambda cls, root: tables))
    page(checkpoint, layout.root, tmp_path / "x.html", 1, ["validation"])
    text = (tmp_path / "x.html").read_text()
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_a_page_needs_no_scores_and_says_so(layout: Layout, checkpoint: Path, tmp_path: Path) -> None:
    page(checkpoint, layout.root, tmp_path / "x.html", 1, ["validation"])
    assert "made without scores" in (tmp_path / "x.html").read_text()


def test_a_page_of_train_clips_does_not_call_them_unseen(
    layout: Layout, checkpoint: Path, tmp_path: Path
) -> None:
    page(checkpoint, layout.root, tmp_path / "x.html", 1, ["train"])
    text = (tmp_path / "x.html").read_text()
    assert "was not trained on" not in text
    assert "clips that the codec was trained on" in text


def test_bad_scores_are_refused(layout: Layout, checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text("[]")
    with pytest.raises(BadInput, match=r"summary\.json: not a summary"):
        page(checkpoint, layout.root, tmp_path / "x.html", 1, None, tmp_path)
    with pytest.raises(BadInput, match="no scores there"):
        page(checkpoint, layout.root, tmp_path / "x.html", 1, None, tmp_path / "nowhere")
    assert not (tmp_path / "x.html").exists()


# ---- drawings ------------------------------------------------------------------------------------------


def numbers(path: str) -> np.ndarray:
    return np.array([[float(n) for n in pair.split()] for pair in re.split("[MLZ]+", path) if pair])


def test_a_waveform_reaches_its_peak_and_no_further() -> None:
    ramp = np.linspace(0.0, -0.5, 9600, dtype=np.float32)
    points = numbers(waveform_path(ramp, 0.5))
    assert points[:, 1].min() == pytest.approx(0.0, abs=0.5)
    assert points[:, 1].max() == pytest.approx(100.0, abs=0.5)
    assert points[240, 1] == pytest.approx(25.0, abs=0.5), "half the peak, half way up"


def test_a_gain_curve_is_drawn_on_both_sides() -> None:
    points = numbers(curve_path(np.linspace(0, 0.5, 4800, dtype=np.float32)))
    assert len(points) == 960
    np.testing.assert_allclose(points[:480, 1] + points[480:, 1], 100.0, atol=0.02)
    assert points[479, 1] == pytest.approx(0.0, abs=0.1)
    assert points[240, 1] == pytest.approx(25.0, abs=0.2)


def test_short_sounds_can_be_drawn() -> None:
    for samples in (1, 10, 100):
        short = np.ones(samples, dtype=np.float32)
        assert len(numbers(waveform_path(short, 1.0))) == 2 * samples
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


# ---- in a browser ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if chromium() is None:
        pytest.skip("chromium is not installed")
    with Browser(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture
def opened(browser: Browser, written: Path) -> Browser:
    browser.open(written)
    browser.wait("[...document.querySelectorAll('audio')].every(a => a.readyState >= 3)")
    return browser


PLAYING = "[...document.querySelectorAll('audio')].filter(a => !a.paused && a.currentTime > 0)"


def test_all_sounds_load_without_errors_or_requests(opened: Browser, written: Path) -> None:
    assert opened.run("document.querySelectorAll('.row').length") == ROWS
    lengths = opened.run("[...document.querySelectorAll('audio')].map(a => a.duration)")
    assert len(lengths) == 4 * (ROWS - 1) + 2
    assert lengths == pytest.approx([0.6] * len(lengths), abs=0.01)
    assert opened.run("[...document.images].every(i => i.naturalWidth > 100)")
    assert opened.errors == []
    outside = {url for url in opened.requests if not url.startswith(("data:", "file:"))}
    assert outside == set()


def test_switching_between_sounds_keeps_the_position(opened: Browser) -> None:
    opened.run("document.querySelector('[name=loop]').click()")
    opened.press("d")
    opened.press(" ")
    opened.wait(f"{PLAYING}.length === 1 && {PLAYING}[0].currentTime > 0.2")
    before = opened.run(f"{PLAYING}[0].currentTime")
    opened.press("a")
    opened.wait(f"{PLAYING}.length === 1 && {PLAYING}[0].closest('.panel').dataset.role === 'source'")
    after = opened.run(f"{PLAYING}[0].currentTime")
    assert before - 0.01 <= after < before + 0.5
    opened.press(" ")
    opened.wait(f"{PLAYING}.length === 0")
    assert opened.errors == []


def test_only_one_row_plays_and_keys_walk_through_rows(opened: Browser) -> None:
    opened.press(" ")
    opened.wait(f"{PLAYING}.length === 1")
    opened.press("n")
    opened.wait(f"{PLAYING}.length === 0")
    assert opened.run("document.querySelector('.row.current').id") == "row-2"
    opened.press("p")
    assert opened.run("document.querySelector('.row.current').id") == "row-1"


def test_clicking_a_waveform_plays_from_there(opened: Browser) -> None:
    opened.run("document.querySelector('[name=loop]').checked = true")
    opened.run("document.querySelector('#row-2').scrollIntoView({behavior: 'instant'})")
    box = opened.run(
        "(b => [b.left, b.top, b.width, b.height])"
        "(document.querySelector('#row-2 [data-role=target] .view').getBoundingClientRect())"
    )
    opened.click(box[0] + 0.6 * box[2], box[1] + 0.5 * box[3])
    opened.wait(f"{PLAYING}.length === 1")
    assert opened.run(f"{PLAYING}[0].closest('.panel').dataset.role") == "target"
    assert opened.run("Number(document.querySelector('#row-2 input').value)") > 0.35
    opened.press(" ")


def test_rows_can_be_filtered(opened: Browser) -> None:
    opened.run(
        "(s => { s.value = 'envelope'; s.dispatchEvent(new Event('change', {bubbles: true})) })"
        "(document.querySelector('[name=kind]'))"
    )
    shown = opened.run(
        "[...document.querySelectorAll('.row')].filter(r => r.offsetHeight).map(r => r.dataset.kind)"
    )
    assert shown == ["envelope"] * 2 * PAIRS


def test_matched_loudness_makes_levels_equal(opened: Browser) -> None:
    opened.press(" ")
    opened.wait(f"{PLAYING}.length === 1")
    levels = opened.run(
        "[...document.querySelectorAll('#row-1 .panel')]"
        ".map(p => [+p.dataset.rms, p.querySelector('audio').volume])"
    )
    heard = [rms * volume for rms, volume in levels if rms > 1e-4]
    assert heard == pytest.approx([heard[0]] * len(heard), rel=1e-3)
    opened.press(" ")


@pytest.mark.parametrize("width", [360, 390, 768, 1440])
def test_nothing_is_wider_than_the_screen(opened: Browser, width: int) -> None:
    opened.size(width, 800)
    assert opened.run("document.documentElement.scrollWidth") <= width
    assert (
        opened.run(
            "Math.max(...[...document.querySelectorAll('.row *')].map(e => e.getBoundingClientRect().right))"
        )
        <= width
    )


def test_every_control_has_a_name(opened: Browser) -> None:
    nodes = opened.send("Accessibility.getFullAXTree")["nodes"]
    controls = [
        node for node in nodes
        if node.get("role", {}).get("value") in ("button", "slider", "combobox", "checkbox", "image")
        and not node.get("ignored")
    ]  # fmt: skip
    assert len(controls) > 5 * ROWS
    unnamed = [node for node in controls if not node.get("name", {}).get("value")]
    assert unnamed == []
