"""The release card: what a release says of itself, and what is missing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from manifests.dataset.layout import Layout
from manifests.types import InputError
from tests.support import commands
from tests.support.paths import ROOT
from train.codec.release_card import BEGIN, END, with_block
from train.codec.release_facts import RELEASED, TO_DO, known_failures, read_card

# One worker makes the release of all tests: it takes as long as everything else here.
pytestmark = pytest.mark.xdist_group("release card")

SCORED = ("--pairs", "1", "--clips", "2", "--workers", "2")


@pytest.fixture(scope="module")
def released(codec_checkpoint: Path, held_out: Layout, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Writes a release of an untrained codec, with gaps in its card."""
    out = tmp_path_factory.mktemp("release") / "release"
    command = (
        "train",
        "release",
        "--checkpoint",
        codec_checkpoint,
        "--data",
        held_out.root,
        "--out",
        out,
    )
    commands.succeed(*command, *SCORED, "--also", f"configs/none.yaml={held_out.root}")
    return out


def test_a_card_states_data_scores_and_what_is_missing(released: Path, held_out: Layout) -> None:
    text = (released / "README.md").read_text()
    assert yaml.safe_load(text.split("---")[1])["tags"][0] == "audio"
    assert f"| additive | 4 | 2 | {TO_DO}: licence of its presets |" in text
    assert text.count(TO_DO) == 5, "note, config, hours, recipe, licence"
    assert held_out.metadata()["fingerprint"] in text
    card = read_card((released / "card.json").read_bytes(), "card")
    first = card["scores"][0]
    assert (first["config"], first["every"], card["scores"][1]["config"]) == (
        TO_DO,
        None,
        "configs/none.yaml",
    )
    methods = {row["method"] for row in first["rows"]}
    assert {RELEASED, "transplant", "transplant_known", "copy_of_source", "silence"} <= methods
    assert len(list((released / "clips").iterdir())) == 8
    assert card["examples"][0]["files"]["made"] == "01_timbre_validation_made.flac"
    summary = json.loads((released / "scores" / "0" / "summary.json").read_bytes())
    ours = [r for r in summary["scores"] if r["method"] == RELEASED and r["metric"] == "mstft_floored"]
    kept = [r for r in first["rows"] if r["method"] == RELEASED and r["metric"] == "mstft_floored"]
    assert [r["mean"] for r in kept] == pytest.approx([r["mean"] for r in ours], rel=1e-3)


def test_an_untrained_codec_has_known_failures(released: Path) -> None:
    card = read_card((released / "card.json").read_bytes(), "card")
    assert card["failures"] == known_failures(card["scores"])
    assert any("which the transplant without training betters" in line for line in card["failures"])


def test_data_of_another_training_and_malformed_options_are_refused(
    codec_checkpoint: Path, held_out: Layout, tiny: Path, tmp_path: Path
) -> None:
    command = ("train", "release", "--checkpoint", codec_checkpoint, "--out", tmp_path / "out", "--data")
    for data, more, message in (
        (tiny, (), "was not trained on"),
        (held_out.root, ("--also", "x"), "--also 'x': expected CONFIG=DATASET"),
        (held_out.root, ("--other", "released=x"), "another name than released"),
    ):
        refused = commands.run(*command, data, *more)
        assert refused.returncode == 2
        assert message in refused.stderr
    with pytest.raises(InputError, match="card: not the card of a release"):
        read_card(b"{}", "card")


def test_a_release_with_gaps_is_not_installed_and_one_without_is(released: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for package in ("train", "manifests", "scripts"):
        shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "README.md", tree)
    release = tmp_path / "release"
    shutil.copytree(released, release)
    command = [sys.executable, tree / "scripts" / "install_release.py", release]
    environment = {**os.environ, "PYTHONPATH": str(tree)}

    def install() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    before = (tree / "README.md").read_text()
    refused = install()
    assert refused.returncode == 1
    assert f"{TO_DO} stands there" in refused.stderr
    assert (tree / "README.md").read_text() == before
    (release / "README.md").write_text((release / "README.md").read_text().replace(TO_DO, "written"))
    done = install()
    assert done.returncode == 0, done.stderr
    weights = tree / "train" / "released_weights"
    assert (weights / "model.safetensors").read_bytes() == (release / "model.safetensors").read_bytes()
    assert not (weights / "scores").exists()
    card = read_card((weights / "card.json").read_bytes(), "card")
    assert (tree / "README.md").read_text() == with_block(before, card) != before


def test_a_readme_without_marks_is_refused(released: Path) -> None:
    card = read_card((released / "card.json").read_bytes(), "card")
    for text in ("no marks", f"{END} {BEGIN}"):
        with pytest.raises(InputError, match=r"README\.md: expected the marks"):
            with_block(text, card)
