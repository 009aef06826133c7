"""The contents of a dataset's listening page."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from manifests.dataset.layout import Layout
from manifests.types import InputError
from tests.support.listening_page import RATE, page_data
from train.cli.page import page
from train.data.clips import read_clips
from train.data.pairs import KINDS, draw_pairs
from train.evaluation.page.html import PageFacts, render_page
from train.evaluation.page.rows import EXAMPLE_ENVELOPE, envelope_words


@pytest.fixture(scope="module")
def text(
    held_out: Layout, codec_checkpoint: Path, evaluated: Path, tmp_path_factory: pytest.TempPathFactory
) -> str:
    out = tmp_path_factory.mktemp("page") / "page.html"
    page(out, [str(codec_checkpoint)], str(held_out.root), 1, ["validation"], evaluated)
    return out.read_text(encoding="utf-8")


def test_every_kind_and_the_example_by_number_are_there(text: str) -> None:
    rows = page_data(text)["rows"]
    assert [row["kind"] for row in rows] == [*KINDS, "reconstruction", "number"]
    assert {row["split"] for row in rows} == {"validation"}
    assert envelope_words(EXAMPLE_ENVELOPE) in rows[-1]["words"]
    assert rows[-1]["scores"] == {}
    assert all("transplant_known" in row["scores"] for row in rows[:-1])
    assert "transplant, true notes" in text
    assert "One seed (this system): no headline figures" in text


def test_the_sounds_are_the_datasets_clips(held_out: Layout, text: str) -> None:
    pair = draw_pairs(held_out, "validation", KINDS[0], 1, 0)[0]
    clips = read_clips(held_out, [pair.source, pair.reference, pair.target])
    sounds = page_data(text)["rows"][0]["sounds"]
    assert [sound["role"] for sound in sounds] == ["source", "reference", "target", "estimate"]
    for sound, key in zip(sounds, (pair.source, pair.reference, pair.target), strict=False):
        kind, encoded = sound["src"].split(";base64,")
        assert kind == "data:audio/flac"
        samples, rate = soundfile.read(io.BytesIO(base64.b64decode(encoded)), dtype="int16")
        assert rate == RATE
        np.testing.assert_array_equal(samples, clips[key])


def test_a_page_of_train_clips_labels_them_as_seen() -> None:
    facts = PageFacts([], [], [RATE], "drawn")
    rows = [{"split": "train", "kind": "both", "cases": [], "sounds": []}]
    assert "was not trained on" not in render_page(rows, None, facts)
    assert "clips that the codec was trained on" in render_page(rows, None, facts)
    assert "without a summary of scores" in render_page(rows, None, facts)
    assert "was not trained on" in render_page([rows[0] | {"split": "validation"}], None, facts)


def test_bad_scores_are_refused(held_out: Layout, codec_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text("[]")
    out = tmp_path / "x.html"
    with pytest.raises(InputError, match=r"summary\.json: not a summary"):
        page(out, [str(codec_checkpoint)], str(held_out.root), 1, None, tmp_path)
    with pytest.raises(InputError, match="there are no scores"):
        page(out, [str(codec_checkpoint)], str(held_out.root), 1, None, tmp_path / "nowhere")
    with pytest.raises(InputError, match="expected --data, --files or --folder"):
        page(out, [str(codec_checkpoint)])
    assert not out.exists()
