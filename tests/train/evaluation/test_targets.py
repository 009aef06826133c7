"""Given pairs with one target count as one."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from tests.support.sounds import sine
from train.evaluation.given_pairs import evaluate_folder
from train.evaluation.summary import find_row, summarise_scores, to_frame
from train.evaluation.targets import average_by_target, count_targets
from train.evaluation.trial import Score


def score(pair: str, target: str, value: float, method: str = "ours", **more: str) -> Score:
    """Returns a score of MSTFT; `more` replaces its timbre cluster and others."""
    status = "scored" if np.isfinite(value) else "failed"
    usual = {"timbre_cluster": f"timbre of {pair}", "phrase_cluster": target, "kind": "both"}
    return Score("files", **(usual | more), pair=pair, method=method, metric="mstft", value=value,
        status=status, cases="", source="s", reference="r", target="t", target_id=target)  # fmt: skip


def test_two_pairs_of_one_target_weigh_as_much_as_one_pair() -> None:
    rows = [score("a", "x", 1.0), score("b", "x", 3.0), score("c", "y", 5.0)]
    summary = summarise_scores(to_frame(rows), 0)
    row = find_row(summary["scores"], metric="mstft")
    assert row is not None
    assert (row["mean"], row["count"], row["worst"]) == (3.5, 2, 5.0)
    assert count_targets(to_frame(rows)) == {"pairs": 3, "targets": 2}


def test_comparisons_are_of_the_means_of_targets() -> None:
    ours = [score("a", "x", 1.0), score("b", "x", 4.0), score("c", "y", 5.0)]
    theirs = [score(p, t, v, "silence") for p, t, v in (("a", "x", 3.0), ("b", "x", 3.0), ("c", "y", 4.0))]
    row = find_row(summarise_scores(to_frame([*ours, *theirs]), 0)["differences"], baseline="silence")
    assert row is not None
    assert row["mean"] == pytest.approx((-0.5 + 1.0) / 2)
    assert row["wins"] == 0.5, "of two targets, not of three pairs"


def test_kinds_are_not_mixed() -> None:
    rows = [score("a", "x", 1.0), score("b", "x", 3.0, kind="timbre")]
    assert list(average_by_target(to_frame(rows))["value"]) == [1.0, 3.0]


def test_a_mean_fails_where_one_of_its_pairs_fails() -> None:
    rows = [score("a", "x", 1.0), score("b", "x", math.nan), score("c", "y", 5.0)]
    means = average_by_target(to_frame(rows))
    assert list(means["status"]) == ["failed", "scored"]
    row = find_row(summarise_scores(to_frame(rows), 0)["scores"], metric="mstft")
    assert row is not None
    assert (row["mean"], row["count"], row["failed"]) == (5.0, 1, 1)


def test_a_method_that_lacks_one_of_the_pairs_has_the_mean_of_the_others() -> None:
    rows = [score("a", "x", 1.0), score("b", "x", 3.0), score("b", "x", 7.0, "late")]
    means = average_by_target(to_frame(rows))
    assert list(means["value"]) == [2.0, 7.0]
    assert set(means["pair"]) == {"a"}, "one row of the matrix"


def test_timbres_that_targets_join_are_one_cluster() -> None:
    chain = [("a", "x", "1"), ("b", "x", "2"), ("c", "y", "2"), ("d", "y", "3"), ("e", "z", "4")]
    rows = [score(pair, target, 1.0, timbre_cluster=timbre) for pair, target, timbre in chain]
    assert list(average_by_target(to_frame(rows))["timbre_cluster"]) == ["1", "1", "4"]


def test_pairs_of_a_dataset_stay_as_they_are() -> None:
    rows = to_frame([score("a", "", 1.0), score("b", "", 3.0)])
    pd.testing.assert_frame_equal(average_by_target(rows), rows)
    assert count_targets(rows) == {}


def test_targets_are_told_by_their_samples(tmp_path: Path) -> None:
    for pair, target_hz in (("a", 440.0), ("b", 440.0), ("c", 550.0)):
        sounds = {"orig": sine(300 + ord(pair)), "ref": sine(220), "gt": sine(target_hz), "other": sine(500)}
        for name, audio in sounds.items():
            soundfile.write(tmp_path / f"{pair}_{name}.wav", audio, 44_100, subtype="FLOAT")
    out = tmp_path / "out"
    summary = evaluate_folder(tmp_path, "{pair}_{system}", {}, 0, out, print, lambda _: lambda: None, 1)
    assert (summary["pairs"], summary["targets"]) == (3, 2)
    row = find_row(summary["scores"], method="other", metric="mstft")
    frame = pd.read_parquet(out / "scores.parquet")
    values = frame[(frame["method"] == "other") & (frame["metric"] == "mstft")].set_index("pair")["value"]
    assert row is not None
    assert row["count"] == 2
    assert row["mean"] == pytest.approx((values["both a"] + values["both b"]) / 4 + values["both c"] / 2)
    assert frame["phrase_cluster"].nunique() == 2
    report = (out / "report.md").read_text()
    assert "3 pairs with 2 distinct targets" in report
    assert "timbre and target cluster" in report
