"""Several seeds of one system: each is scored, and their mean; a single seed is labelled."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from manifests.dataset.layout import Layout
from tests.support.training.tiny_codec import make_checkpoint
from train.cli.evaluate import evaluate
from train.evaluation.seeds import group_by_training, one_seed_heading, seed_groups
from train.evaluation.summary import find_row, systems_of

BOTH = "mean of first, second"


@pytest.fixture(scope="module")
def seeds(held_out: Layout, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("seeds")
    return {
        name: make_checkpoint(folder / name / "best.safetensors", held_out, seed=seed)
        for name, seed in (("first", 1), ("second", 2))
    }


@pytest.fixture(scope="module")
def scores(held_out: Layout, seeds: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("scores")
    checkpoints = [str(path) for path in seeds.values()]
    evaluate(out, checkpoints, str(held_out.root), ["test_unseen_all"], 1, workers=1)
    return out


def test_each_seed_has_its_row_and_so_has_their_mean(scores: Path) -> None:
    summary = json.loads((scores / "summary.json").read_text())
    assert systems_of(summary) == ["first", "second", BOTH]
    assert summary["heading"] == ""
    assert summary["seeds"] == {"first": 1, "second": 2}
    frame = pd.read_parquet(scores / "scores.parquet")
    wide = frame.pivot(index=["kind", "pair", "metric"], columns="method", values="value")
    np.testing.assert_allclose(wide[BOTH], (wide["first"] + wide["second"]) / 2, rtol=1e-12)
    status = frame.pivot(index=["kind", "pair", "metric"], columns="method", values="status")
    failed = (status["first"] == "failed") | (status["second"] == "failed")
    assert ((status[BOTH] == "failed") == failed).all()
    assert {"target_through_codec first", "target_through_codec second"} <= set(frame["method"])
    place = {"kind": "both", "metric": "mstft_floored"}
    assert find_row(summary["differences"], method=BOTH, baseline="copy_of_source", **place)
    assert find_row(summary["differences"], method="first", baseline="second", **place)
    assert find_row(summary["differences"], method="first", baseline=BOTH, **place) is None, "its own mean"
    assert f"| {BOTH} |" in (scores / "report.md").read_text()


def test_one_seed_gives_no_headline_figures(evaluated: Path) -> None:
    sentence = "One seed (this system): no headline figures."
    assert sentence in json.loads((evaluated / "summary.json").read_text())["heading"]
    assert f"**{sentence}" in (evaluated / "report.md").read_text()
    assert sentence in (evaluated / "report.tex").read_text()


def test_runs_that_differ_in_more_than_the_seed_have_no_mean(
    held_out: Layout, seeds: dict[str, Path], tmp_path: Path
) -> None:
    same = make_checkpoint(tmp_path / "same.safetensors", held_out, seed=1)
    other = make_checkpoint(tmp_path / "other.safetensors", held_out, rate=22_050, seed=3)
    assert group_by_training(seeds) == [{"first": 1, "second": 2}]
    assert seed_groups(group_by_training({"a": seeds["first"], "b": same})) == {}, "one seed, given twice"
    assert "One seed (a, b)" in one_seed_heading(group_by_training({"a": seeds["first"], "b": same}))
    assert group_by_training({"a": seeds["first"], "b": other}) == [{"a": 1, "b": 3}]
