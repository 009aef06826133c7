"""From a table of scores to what is said of it: means with intervals, and paired differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from rich.box import SIMPLE_HEAD
from rich.table import Table

from manifests.layout import COMPRESSION
from train.bootstrap import RESAMPLES, summarise
from train.evaluate import BASELINES, Score
from train.metrics import HEADLINES, METRICS

MEAN_OF_KINDS = "mean of kinds"
"""The pseudo-kind of the mean over the kinds of conversion, each counting the same."""

TITLES = {
    "copy_of_source": "copy of source",
    "copy_of_reference": "copy of reference",
    "silence": "silence",
    "estimate": "this system",
}


def to_frame(scores: Sequence[Score]) -> pd.DataFrame:
    """The scores as a table, one row for each pair, method and metric."""
    return pd.DataFrame(list(scores), columns=list(Score._fields))


def scores_bytes(frame: pd.DataFrame) -> bytes:
    """The table of scores as the bytes of a Parquet file; equal scores give equal bytes."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), sink, compression=COMPRESSION)
    return bytes(sink.getvalue())


def summarise_scores(frame: pd.DataFrame, seed: int, resamples: int = RESAMPLES) -> dict[str, Any]:
    """Every split, kind, method and metric: `scores` (means, intervals) and `differences` (paired).

    A difference is a system's score less a baseline's, pair by pair: below 0 the system is nearer to the
    target. `wins` is the share of pairs in which it is.
    """
    scores: list[dict[str, Any]] = []
    differences: list[dict[str, Any]] = []
    methods = list(frame["method"].drop_duplicates())
    systems = [method for method in methods if method not in BASELINES]
    index = ["pair", "kind", "timbre_cluster", "phrase_cluster"]
    for (split, metric), part in frame.groupby(["split", "metric"], sort=False):
        wide = part.pivot(index=index, columns="method", values="value").reset_index()
        kinds = list(part["kind"].drop_duplicates())
        for kind in [*kinds, MEAN_OF_KINDS] if len(kinds) > 1 else kinds:
            rows = wide if kind == MEAN_OF_KINDS else wide[wide["kind"] == kind]
            place = {"split": split, "kind": kind, "metric": metric}
            for method in methods:
                there = rows[rows[method].notna()]
                if len(there):
                    scores.append(
                        {**place, "method": method, **_summary(there, there[method], seed, resamples)}
                    )
            for system in systems:
                for baseline in BASELINES:
                    there = rows[rows[system].notna() & rows[baseline].notna()]
                    if len(there):
                        gap = there[system] - there[baseline]
                        summary = _summary(there, gap, seed, resamples)
                        wins = float(np.mean(gap < 0))
                        differences.append(
                            {**place, "method": system, "baseline": baseline, **summary, "wins": wins}
                        )
    return {"scores": scores, "differences": differences}


def _summary(rows: pd.DataFrame, values: pd.Series[float], seed: int, resamples: int) -> dict[str, Any]:
    summary = summarise(
        values.to_numpy(),
        rows["timbre_cluster"].to_numpy(),
        rows["phrase_cluster"].to_numpy(),
        seed,
        strata=rows["kind"].to_numpy(),
        resamples=resamples,
    )
    return asdict(summary)


def find(rows: Sequence[dict[str, Any]], **where: str) -> dict[str, Any] | None:
    """The one row of a summary that has these values, or None."""
    return next((row for row in rows if all(row[key] == value for key, value in where.items())), None)


def kinds_of(summary: dict[str, Any], split: str) -> list[str]:
    """The kinds that a split was scored on, the mean of kinds last."""
    return list(dict.fromkeys(row["kind"] for row in summary["scores"] if row["split"] == split))


def interval(row: dict[str, Any] | None) -> str:
    """A score in a few characters: `1.23 (1.10–1.36)`."""
    if row is None:
        return ""
    if row["low"] is None:
        return f"{row['mean']:.2f}"
    return f"{row['mean']:.2f} ({row['low']:.2f}–{row['high']:.2f})"


def splits_of(summary: dict[str, Any]) -> list[str]:
    """The splits that were scored, in the order they were."""
    return list(dict.fromkeys(row["split"] for row in summary["scores"]))


def rich_tables(summary: dict[str, Any]) -> list[Table]:
    """The headline scores as printed: the first split by kind, of any others the mean of kinds alone."""
    first, *others = splits_of(summary)
    tables = [_rich_table(summary, f"{first}, by kind", [(first, kind) for kind in kinds_of(summary, first)])]
    if others:
        last = [(split, kinds_of(summary, split)[-1]) for split in others]
        tables.append(_rich_table(summary, "other splits, mean of kinds", last))
    return tables


def _rich_table(summary: dict[str, Any], title: str, places: Sequence[tuple[str, str]]) -> Table:
    heading = f"{title}\ndistance to the target with 95% interval; lower is better"
    table = Table(title=heading, box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    by_kind = title.endswith("by kind")
    names = [kind if by_kind else split.removeprefix("test_") for split, kind in places]
    table.add_column("", no_wrap=True)
    table.add_column("method", no_wrap=True)
    titles = {metric.name: metric.title for metric in METRICS}
    for metric in HEADLINES:
        table.add_column(titles[metric].replace(", ", "\n"), no_wrap=True)
    table.add_column("pairs", justify="right")
    for (split, kind), name in zip(places, names, strict=True):
        rows = [row for row in summary["scores"] if row["split"] == split and row["kind"] == kind]
        best = {m: min(row["mean"] for row in rows if row["metric"] == m) for m in HEADLINES}
        for number, method in enumerate(dict.fromkeys(row["method"] for row in rows)):
            found = [find(rows, method=method, metric=metric) for metric in HEADLINES]
            cells = [
                f"[bold]{interval(row)}[/]" if row and row["mean"] == best[metric] else interval(row)
                for metric, row in zip(HEADLINES, found, strict=True)
            ]
            count = found[0]["count"] if found[0] else 0
            table.add_row(name if number == 0 else "", TITLES.get(method, method), *cells, str(count))
        table.add_section()
    return table


def verdicts(summary: dict[str, Any]) -> list[str]:
    """For the first split, over all kinds: how far the system is from each copy; none of several systems."""
    split = splits_of(summary)[0]
    kind = kinds_of(summary, split)[-1]
    titles = {metric.name: metric.title for metric in METRICS}
    lines: list[str] = []
    if len({row["method"] for row in summary["differences"]}) > 1:
        return lines
    for row in summary["differences"]:
        if (row["split"], row["kind"]) != (split, kind) or row["metric"] not in HEADLINES:
            continue
        if row["baseline"] != "silence":
            system, baseline = (TITLES.get(row[side], row[side]) for side in ("method", "baseline"))
            lines.append(
                f"{titles[row['metric']]}: {system} less {baseline} {signed_interval(row)},"
                f" nearer to the target in {100 * row['wins']:.0f}% of pairs"
            )
    return lines


def signed_interval(row: dict[str, Any]) -> str:
    """A difference with its interval: `-0.61 (-0.80 to -0.42)`."""
    if row["low"] is None:
        return f"{row['mean']:+.2f}"
    return f"{row['mean']:+.2f} ({row['low']:+.2f} to {row['high']:+.2f})"
