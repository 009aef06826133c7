"""Ratings of a blind test: read, refused, and summarised."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from manifests.splits.seeds import stream
from manifests.types import InputError
from train.evaluation.page.ratings import read_ratings, summarise_ratings


def test_invalid_ratings_are_refused_with_their_line(tmp_path: Path) -> None:
    key, path = tmp_path / "key.csv", tmp_path / "r.csv"
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
    for lines, message in cases.items():
        path.write_text(head + lines)
        with pytest.raises(InputError, match=message):
            read_ratings(key, [path])
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="column 'test' is missing"):
        read_ratings(key, [path])


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
