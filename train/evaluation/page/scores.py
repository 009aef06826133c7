"""Summary of scores for the page: by split, metric and kind of conversion, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from train.evaluation.formatting import method_title
from train.evaluation.page.words import split_title, split_words
from train.evaluation.summary import MEAN_OF_KINDS, RECONSTRUCTION, find_row, kinds_of, splits_of
from train.evaluation.trial import is_system, is_topline
from train.metrics.catalogue import BY_NAME, HEADLINES, better

Summary = dict[str, Any]
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ScoreLine:
    """One method: its CSS class, title, mean and interval as text, and their places in % of the plot."""

    style: str
    title: str
    best: bool
    value: str
    interval: str
    failed: int
    dot: float | None
    bar: tuple[float, float] | None
    """Left end and width of the interval."""


@dataclass(frozen=True, slots=True)
class ScoreGroup:
    """The methods on one kind of conversion."""

    title: str
    pairs: int
    lines: Sequence[ScoreLine]


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """One metric on one split: all kinds together, and each apart."""

    title: str
    unit: str
    direction: str
    overall: Sequence[ScoreGroup]
    by_kind: Sequence[ScoreGroup]


@dataclass(frozen=True, slots=True)
class SplitScores:
    """The scores of one split: its title, sentences about it, and a table for each headline metric."""

    title: str
    verdict: str
    note: str
    tables: Sequence[ScoreTable]


def split_scores(summary: Summary) -> list[SplitScores]:
    """Arranges a summary of `train evaluate` for the page: one entry for each split."""
    blocks = []
    for split in splits_of(summary):
        words = split_words(split)
        about = f"{words[:1].upper()}{words[1:]}. " if words else ""
        tables = [table for metric in HEADLINES if (table := _table(summary, split, metric))]
        note = about + _win_shares(summary, split)
        blocks.append(SplitScores(split_title(split), _verdict(summary, split), note, tables))
    return blocks


def _verdict(summary: Summary, split: str) -> str:
    """Counts the comparisons with the copies that a system wins clearly, by spectrum and level."""
    kind = kinds_of(summary, split)[-1]
    rows = [
        row
        for row in summary["differences"]
        if (row["split"], row["kind"]) == (split, kind)
        and row["metric"] in HEADLINES[:2]
        and row["baseline"] in ("copy_of_source", "copy_of_reference")
    ]
    if len({row["method"] for row in rows}) != 1:
        return ""
    clear = sum(row["high"] is not None and row["high"] < 0 for row in rows)
    return f"clearly nearer to the target than a copy in {clear} of {len(rows)} comparisons"


def _win_shares(summary: Summary, split: str) -> str:
    """States the share of pairs in which the only system is nearer to the target than each copy."""
    kind = kinds_of(summary, split)[-1]
    systems = {row["method"] for row in summary["differences"]}
    if len(systems) != 1:
        return ""
    shares = []
    for baseline in ("copy_of_source", "copy_of_reference", "transplant"):
        row = find_row(summary["differences"], split=split, kind=kind, baseline=baseline, metric=HEADLINES[0])
        if row:
            shares.append(f"than the {method_title(baseline)} in {100 * row['wins']:.0f}%")
    if not shares:
        return ""
    return f"By the spectrum, the codec is nearer to the target {', '.join(shares)} of pairs."


def _table(summary: Summary, split: str, metric: str) -> ScoreTable | None:
    """Arranges one metric of one split; None if nothing was scored."""
    column = BY_NAME[metric]
    rows = [
        row
        for row in summary["scores"]
        if (row["split"], row["metric"]) == (split, metric) and row["method"] != "target"
    ]
    if not rows:
        return None
    plotted = [row for row in rows if row["mean"] is not None and row["method"] != "silence"]
    ends = [row["mean"] if row["high"] is None else row["high"] for row in plotted]
    highest = max(ends, default=0.0) * 1.02 or 1.0
    *kinds, last = kinds_of(summary, split)
    return ScoreTable(
        column.title,
        column.unit,
        "higher is better" if column.higher else "lower is better",
        _groups(rows, [last], highest),
        _groups(rows, kinds, highest),
    )


def _groups(rows: Sequence[Row], kinds: Sequence[str], highest: float) -> list[ScoreGroup]:
    groups = []
    for kind in kinds:
        group = [row for row in rows if row["kind"] == kind]
        if group:
            best = _best_mean(group)
            title = "all kinds, each counting the same" if kind == MEAN_OF_KINDS else kind
            lines = [_line(row, highest, row["mean"] is not None and row["mean"] == best) for row in group]
            groups.append(ScoreGroup(title, group[0]["count"], lines))
    return groups


def _best_mean(group: Sequence[Row]) -> float | None:
    """Returns the best mean of conversions: not of toplines, nor of copies of a target to reconstruct."""
    best: float | None = None
    for row in group:
        method = row["method"]
        if row["mean"] is None or is_topline(method):
            continue
        if row["kind"] == RECONSTRUCTION and not is_system(method):
            continue
        if best is None or better(row["metric"], row["mean"], best):
            best = row["mean"]
    return best


def _line(row: Row, highest: float, best: bool) -> ScoreLine:
    """Arranges one method; `highest` is the value at the right end of the plot, which silence is not in."""
    method, mean, low, high = (row[name] for name in ("method", "mean", "low", "high"))
    digits = BY_NAME[row["metric"]].decimals
    dot, bar = None, None
    if mean is not None and method != "silence":
        dot = 100 * min(mean, highest) / highest
        if low is not None:
            left, right = max(low, 0.0), min(high, highest)
            bar = (100 * left / highest, 100 * (right - left) / highest)
    return ScoreLine(
        style="m-estimate" if is_system(method) else f"m-{method.partition(' ')[0]}",
        title=method_title(method),
        best=best,
        value=f"{mean:.{digits}f}" if mean is not None else "",
        interval=f"{low:.{digits}f} to {high:.{digits}f}" if low is not None else "",
        failed=row["failed"],
        dot=dot,
        bar=bar,
    )
