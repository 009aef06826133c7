"""The shipped weights are what their card says, and the README shows the figures of the card."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from manifests.dataset.canonical import sha256_file
from tests.support.paths import ROOT
from train.checkpoint import read_metadata
from train.codec.api import load_codec
from train.codec.release import MAX_FILE_BYTES, METRIC, example_score
from train.codec.release_card import BEGIN, card_markdown, readme_block
from train.codec.release_facts import RELEASED, TO_DO, known_failures, released_card
from train.codec.released import FOLDER, released_checkpoint
from train.data.pairs import TAKES

CLIPS = FOLDER / "clips"


def test_the_shipped_weights_are_those_of_the_card() -> None:
    card = released_card()
    for name, about in card["weights"].items():
        path = FOLDER / name
        assert sha256_file(path) == about["sha256"]
        assert path.stat().st_size == about["bytes"] <= MAX_FILE_BYTES
    assert read_metadata(released_checkpoint())["fingerprint"] == card["data"]["fingerprint"]
    assert (FOLDER / "README.md").read_text() == card_markdown(card)
    assert TO_DO not in card_markdown(card)
    assert card["failures"] == known_failures(card["scores"])
    for scored in card["scores"]:
        assert (ROOT / scored["config"]).is_file()
        assert {RELEASED, "transplant", "silence"} <= {row["method"] for row in scored["rows"]}


def test_the_readme_shows_the_figures_of_the_card() -> None:
    readme = (ROOT / "README.md").read_text()
    assert readme.count(BEGIN) == 1
    assert readme_block(released_card()) in readme


def test_the_shipped_weights_make_the_cards_examples_again() -> None:
    """A small part of `make card`, which scores all pairs of the card."""
    codec, card = load_codec(), released_card()
    assert len(card["examples"]) >= 3
    for example in card["examples"][:3]:
        files = example["files"]
        result = codec.convert(CLIPS / files["source"], CLIPS / files["reference"], TAKES[example["kind"]])
        target, rate = soundfile.read(CLIPS / files["target"], dtype="float32")
        assert rate == codec.rate
        assert example_score(result.audio, target) == pytest.approx(example[METRIC], abs=0.05)


def test_convert_and_the_readmes_python_run_from_an_empty_folder(tmp_path: Path) -> None:
    files = released_card()["examples"][0]["files"]
    for name, role in (("a.wav", "source"), ("b.wav", "reference")):
        sound, rate = soundfile.read(CLIPS / files[role])
        soundfile.write(tmp_path / name, sound, rate)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    code = (ROOT / "README.md").read_text().split("```python\n")[1].split("```")[0]
    command = ["-m", "train", "convert", "--source", "a.wav", "--reference", "b.wav", "--out", "z.wav"]
    for arguments in (["-c", code], command):
        done = subprocess.run(
            [sys.executable, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert " notes" in done.stdout
    assert (tmp_path / "y.wav").read_bytes() == (tmp_path / "z.wav").read_bytes()
