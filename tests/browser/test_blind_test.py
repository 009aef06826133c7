"""The blind listening test in Chromium, and the scores of its ratings."""

from __future__ import annotations

import csv
from pathlib import Path

from tests.support.chromium import Browser
from tests.support.listening_page import PLAYING, controls_without_names, page_data, select_option
from train.cli.page import page
from train.evaluation.page.ratings import score_ratings


def test_a_blind_test_hides_methods_and_its_ratings_are_scored(
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
    orders = {
        tuple(key[s["name"]]["method"] for s in trial["stimuli"]) for trial in page_data(text)["trials"]
    }
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
        select_option(browser, "rater", rater)
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
    by_method = {row["method"]: row for row in summary["scores"] if row["question"] == "envelope"}
    assert {method: row["mean"] for method, row in by_method.items()} == points
    assert "| copy of reference | 1.00 (1.00 to 1.00) |" in (tmp_path / "scored" / "ratings.md").read_text()
