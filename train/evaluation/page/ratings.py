"""Scores the ratings of a blind listening test: means with intervals, and the systems compared.

Ratings of one listener are not independent, nor are those of one pair: intervals resample listeners and
pairs (`train.evaluation.bootstrap`), and differences are between ratings that one listener gave in one trial.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from manifests.dataset import files
from manifests.types import InputError
from train.evaluation.bootstrap import Resampler, holm
from train.evaluation.formatting import title
from train.evaluation.page.blind import KEY

QUESTIONS = ("timbre", "envelope", "content")
RATINGS = ("test", "rater", "trial", "stimulus", *QUESTIONS)
TRUE = "target"
"""The hidden true answer: a listener who often rates it low has not heard, or not understood."""


def _read(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a CSV table ({str(error).splitlines()[0]})") from None
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise InputError(f"{path}: column {missing[0]!r} is missing; expected {', '.join(columns)}")
    return frame


def read_ratings(key: Path, tables: Sequence[Path]) -> pd.DataFrame:
    """All ratings with what was rated: a row for each listener, stimulus and question.

    InputError names file and line of a rating that is none, and of one given twice.
    """
    known = _read(key, KEY).set_index("stimulus")
    rows: list[dict[str, Any]] = []
    seen: dict[tuple[str, str], str] = {}
    for path in tables:
        frame = _read(path, RATINGS)
        for line, row in enumerate(frame.to_dict("records"), start=2):
            where = f"{path} line {line}"
            stimulus, rater = row["stimulus"], row["rater"].strip()
            if stimulus not in known.index:
                raise InputError(
                    f"{where}: stimulus {stimulus!r} is not in {key.name}; is it of another test?"
                )
            if not rater:
                raise InputError(f"{where}: column 'rater' is empty")
            before = seen.setdefault((rater, stimulus), where)
            if before != where:
                raise InputError(f"{where}: {rater} has rated {stimulus} before, in {before}")
            about = known.loc[stimulus]
            for question in QUESTIONS:
                given = row[question].strip()
                if not given:
                    continue
                if given not in ("1", "2", "3", "4", "5"):
                    raise InputError(f"{where}: {question} {given!r}: expected 1 to 5, or nothing")
                rows.append(
                    {
                        "rater": rater,
                        "question": question,
                        "points": float(given),
                        **{name: about[name] for name in ("trial", "method", "pair", "kind", "split")},
                    }
                )
    if not rows:
        raise InputError(f"{tables[0]}: holds no ratings")
    return pd.DataFrame(rows)


def summarise_ratings(ratings: pd.DataFrame, seed: int) -> dict[str, Any]:
    """Means of each method and question, and paired differences between systems and from the target."""
    scores: list[dict[str, Any]] = []
    differences: list[dict[str, Any]] = []
    methods = list(ratings["method"].drop_duplicates())
    for question in QUESTIONS:
        part = ratings[ratings["question"] == question]
        if part.empty:
            continue
        wide = part.pivot(index=["rater", "trial"], columns="method", values="points")
        labels = wide.index.to_frame()
        resampler = Resampler(labels["rater"], labels["trial"], seed)
        there = [method for method in methods if method in wide.columns]
        values = {method: wide[method].to_numpy(dtype=np.float64) for method in there}
        means = resampler.summarise(np.stack([values[m] for m in there], axis=1), higher=True)
        for method, summary in zip(there, means, strict=True):
            if summary:
                scores.append({"question": question, "method": method, **asdict(summary)})
        couples = list(combinations(sorted(there), 2))
        if not couples:
            continue
        gaps = np.stack([values[a] - values[b] for a, b in couples], axis=1)
        ps = holm(resampler.sign_flips(gaps, seed))
        for (a, b), summary, p in zip(couples, resampler.summarise(gaps), ps, strict=True):
            if summary:
                row = {"question": question, "first": a, "second": b, **asdict(summary), "p": p}
                del row["worst"]
                differences.append(row)
    raters = ratings[ratings["method"] == TRUE].groupby("rater")["points"].mean()
    return {
        "listeners": int(ratings["rater"].nunique()),
        "trials": int(ratings["trial"].nunique()),
        "ratings": len(ratings),
        "target_rated_below_3": sorted(raters.index[raters < 3.0]),
        "scores": scores,
        "differences": differences,
    }


def report(summary: dict[str, Any]) -> str:
    """The summary as Markdown."""
    lines = [
        "# Listening test",
        "",
        f"{summary['listeners']} listeners, {summary['trials']} trials, {summary['ratings']} ratings, 1 to 5."
        " Means with 95% intervals over listeners and trials.",
    ]
    if summary["target_rated_below_3"]:
        names = ", ".join(summary["target_rated_below_3"])
        lines.append(f"\nThe hidden target was rated below 3 on average by: {names}. They are counted in.")
    lines += ["", "| method | " + " | ".join(QUESTIONS) + " |", "| --- | ---: | ---: | ---: |"]
    for method in dict.fromkeys(row["method"] for row in summary["scores"]):
        cells = []
        for question in QUESTIONS:
            row = next(
                (r for r in summary["scores"] if (r["method"], r["question"]) == (method, question)), None
            )
            cells.append(_words(row))
        lines.append(f"| {title(method)} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "## Differences, within one listener and trial",
        "",
        "p: by flipping the signs of whole listeners and of whole trials, the larger; Holm-adjusted.",
        "",
        "| question | first | second | difference | p |",
        "| --- | --- | --- | ---: | ---: |",
    ]
    for row in summary["differences"]:
        p = "" if row["p"] is None else f"{row['p']:.4f}"
        names = f"{row['question']} | {title(row['first'])} | {title(row['second'])}"
        lines.append(f"| {names} | {_words(row)} | {p} |")
    return "\n".join([*lines, ""])


def _words(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    interval = "" if row["low"] is None else f" ({row['low']:.2f} to {row['high']:.2f})"
    return f"{row['mean']:.2f}{interval}"


def score_ratings(key: Path, tables: Sequence[Path], out: Path, seed: int) -> dict[str, Any]:
    """Writes `ratings.json` and `ratings.md` into `out`; returns the summary."""
    summary = summarise_ratings(read_ratings(key, tables), seed)
    files.replace(out / "ratings.json", f"{json.dumps(summary, indent=1)}\n".encode())
    files.replace(out / "ratings.md", report(summary).encode())
    return summary
