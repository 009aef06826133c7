"""Ratings of a blind listening test: means with intervals, and systems compared pair by pair.

Ratings of one listener are not independent, nor are those of one trial. Intervals resample listeners and
trials (`train.evaluation.bootstrap`); differences are between ratings of one listener in one trial.
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
from train.evaluation.bootstrap import ClusterBootstrap, adjust_holm
from train.evaluation.formatting import method_title
from train.evaluation.page.blind import KEY_COLUMNS, QUESTIONS

RATING_COLUMNS = ("test", "rater", "trial", "stimulus", *QUESTIONS)
"""Columns of the CSV files that listeners save."""
HIDDEN_REFERENCE = "target"
"""The true answer: a listener who often rates it low has not understood the task, or does not hear well."""


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
    """Reads all ratings, with what was rated: a row for each listener, stimulus and question.

    Args:
        key: The key that `train page --blind` wrote.
        tables: The CSV files that listeners saved.

    Raises:
        InputError: Names file and line of a rating that is not 1 to 5, of one given twice, of an unknown
            stimulus, and a file that cannot be read.
    """
    known = _read(key, KEY_COLUMNS).set_index("stimulus")
    rows: list[dict[str, Any]] = []
    seen: dict[tuple[str, str], str] = {}
    for path in tables:
        frame = _read(path, RATING_COLUMNS)
        for line, row in enumerate(frame.to_dict("records"), start=2):
            where = f"{path} line {line}"
            stimulus, rater = row["stimulus"], row["rater"].strip()
            if stimulus not in known.index:
                raise InputError(
                    f"{where}: stimulus {stimulus!r} is not in {key.name}; is it of another test?"
                )
            if not rater:
                raise InputError(f"{where}: column 'rater' is empty")
            first = seen.setdefault((rater, stimulus), where)
            if first != where:
                raise InputError(f"{where}: {rater} has rated {stimulus} before, in {first}")
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
    """Summarises ratings: means of each method, and paired differences between methods, by question.

    Args:
        ratings: What `read_ratings` returned.
        seed: Seed of the intervals.
    """
    scores: list[dict[str, Any]] = []
    differences: list[dict[str, Any]] = []
    methods = list(ratings["method"].drop_duplicates())
    for question in QUESTIONS:
        part = ratings[ratings["question"] == question]
        if part.empty:
            continue
        wide = part.pivot(index=["rater", "trial"], columns="method", values="points")
        labels = wide.index.to_frame()
        resampler = ClusterBootstrap(labels["rater"], labels["trial"], seed)
        rated = [method for method in methods if method in wide.columns]
        values = {method: wide[method].to_numpy(dtype=np.float64) for method in rated}
        means = resampler.summarise(np.stack([values[m] for m in rated], axis=1), higher=True)
        for method, summary in zip(rated, means, strict=True):
            if summary:
                scores.append({"question": question, "method": method, **asdict(summary)})
        pairs = list(combinations(sorted(rated), 2))
        if not pairs:
            continue
        gaps = np.stack([values[a] - values[b] for a, b in pairs], axis=1)
        ps = adjust_holm(resampler.sign_flip_p_values(gaps, seed))
        for (a, b), summary, p in zip(pairs, resampler.summarise(gaps), ps, strict=True):
            if summary:
                row = {"question": question, "first": a, "second": b, **asdict(summary), "p": p}
                del row["worst"]
                differences.append(row)
    raters = ratings[ratings["method"] == HIDDEN_REFERENCE].groupby("rater")["points"].mean()
    return {
        "listeners": int(ratings["rater"].nunique()),
        "trials": int(ratings["trial"].nunique()),
        "ratings": len(ratings),
        "target_rated_below_3": sorted(raters.index[raters < 3.0]),
        "scores": scores,
        "differences": differences,
    }


def ratings_report(summary: dict[str, Any]) -> str:
    """Formats a summary of ratings as Markdown."""
    lines = [
        "# Listening test",
        "",
        f"{summary['listeners']} listeners, {summary['trials']} trials, {summary['ratings']} ratings, 1 to 5."
        " Means with 95% intervals over listeners and trials.",
    ]
    if summary["target_rated_below_3"]:
        names = ", ".join(summary["target_rated_below_3"])
        lines.append(f"\nThe hidden target was rated below 3 on average by: {names}. They are included.")
    lines += ["", "| method | " + " | ".join(QUESTIONS) + " |", "| --- | ---: | ---: | ---: |"]
    for method in dict.fromkeys(row["method"] for row in summary["scores"]):
        cells = []
        for question in QUESTIONS:
            row = next(
                (r for r in summary["scores"] if (r["method"], r["question"]) == (method, question)), None
            )
            cells.append(_format_mean(row))
        lines.append(f"| {method_title(method)} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "## Differences, within one listener and trial",
        "",
        "p: sign-flip tests over listeners and over trials, the larger of the two; Holm-adjusted.",
        "",
        "| question | first | second | difference | p |",
        "| --- | --- | --- | ---: | ---: |",
    ]
    for row in summary["differences"]:
        p = "" if row["p"] is None else f"{row['p']:.4f}"
        names = f"{row['question']} | {method_title(row['first'])} | {method_title(row['second'])}"
        lines.append(f"| {names} | {_format_mean(row)} | {p} |")
    return "\n".join([*lines, ""])


def _format_mean(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    interval = "" if row["low"] is None else f" ({row['low']:.2f} to {row['high']:.2f})"
    return f"{row['mean']:.2f}{interval}"


def score_ratings(key: Path, tables: Sequence[Path], out: Path, seed: int) -> dict[str, Any]:
    """Writes `ratings.json` and `ratings.md` into `out`; returns the summary.

    Raises:
        InputError: If a file cannot be used (`read_ratings`).
    """
    summary = summarise_ratings(read_ratings(key, tables), seed)
    numbers = f"{json.dumps(summary, indent=1)}\n".encode()
    files.replace_all({out / "ratings.json": numbers, out / "ratings.md": ratings_report(summary).encode()})
    return summary
