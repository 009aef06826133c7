"""The blind listening test, in a real browser, and how its ratings are scored."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from manifests.splits.seeds import stream
from manifests.types import InputError
from tests.support.chromium import Browser
from tests.support.listening_page import PLAYING, choose, controls_without_names, data_of
from train.cli.page import page
from train.evaluation.page.ratings import read_ratings, score_ratings, summarise_ratings


def test_a_blind_test_hides_what_is_what_and_its_ratings_are_scored(
    browser: Browser, page_files: Path, tmp_path: Path
) -> None:
    out = tmp_path / "test.html"
    page(out, folder=page_files, blind=True)
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
        with pytest.raises(InputError, match=says):
            read_ratings(key, [given])
    given.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="column 'test' is missing"):
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
