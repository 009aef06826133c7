"""Scores as text: titles of methods, numbers with intervals, the tables that the command prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from train.evaluation.summary import find_row, kinds_of, splits_of, systems_of
from train.evaluation.trial import ESTIMATE, codec_topline, is_topline
from train.metrics.catalogue import BY_NAME, HEADLINES, better

TITLES = {
    "copy_of_source": "copy of source",
    "copy_of_reference": "copy of reference",
    "silence": "silence",
    "transplant": "transplant",
    "transplant_known": "transplant, true notes",
    "re_envelope": "re-envelope",
    "re_envelope_known": "re-envelope, true notes",
    "target": "the target itself",
    "another_take": "target, another take",
    "target_through_codec": "target through codec",
    ESTIMATE: "this system",
}


def method_title(method: str) -> str:
    """Returns the title of a method; a system's own name is left as it is.

    Example:
        >>> method_title("copy_of_source")
        'copy of source'
    """
    topline = codec_topline("", alone=False)
    if method.startswith(topline):
        return f"target through {method.removeprefix(topline)}"
    return TITLES.get(method, method)


def format_mean(row: dict[str, Any] | None) -> str:
    """Formats a mean with the decimals of its metric, and failures: `0.123 (2 failed)`."""
    if row is None:
        return ""
    failed = f" ({row['failed']} failed)" if row["failed"] else ""
    if row["mean"] is None:
        return failed.strip()
    return f"{row['mean']:.{BY_NAME[row['metric']].decimals}f}{failed}"


def format_interval(row: dict[str, Any] | None) -> str:
    """Formats a mean with its interval, and failures: `1.23 (1.10–1.36)`."""
    if row is None or row["mean"] is None:
        return format_mean(row)
    if row["low"] is None:
        return format_mean(row)
    digits = BY_NAME[row["metric"]].decimals
    failed = f" ({row['failed']} failed)" if row["failed"] else ""
    return f"{row['mean']:.{digits}f} ({row['low']:.{digits}f}–{row['high']:.{digits}f}){failed}"


def format_extremes(row: dict[str, Any] | None) -> str:
    """Formats the median and the worst over pairs, and failures: `0.98, worst 2.41`."""
    if row is None or row["mean"] is None:
        return format_mean(row)
    digits = BY_NAME[row["metric"]].decimals
    failed = f" ({row['failed']} failed)" if row["failed"] else ""
    return f"{row['median']:.{digits}f}, worst {row['worst']:.{digits}f}{failed}"


def format_difference(row: dict[str, Any]) -> str:
    """Formats a difference with its interval: `-0.61 (-0.80 to -0.42)`."""
    digits = BY_NAME[row["metric"]].decimals
    if row["low"] is None:
        return f"{row['mean']:+.{digits}f}"
    return f"{row['mean']:+.{digits}f} ({row['low']:+.{digits}f} to {row['high']:+.{digits}f})"


def best_mean(rows: Sequence[dict[str, Any]], metric: str) -> float | None:
    """Returns the best mean of one metric among rows, toplines left out; None if there is none."""
    best: float | None = None
    for row in rows:
        if row["metric"] != metric or row["mean"] is None or is_topline(row["method"]):
            continue
        if best is None or better(metric, row["mean"], best):
            best = row["mean"]
    return best


def rich_tables(summary: dict[str, Any]) -> list[Table]:
    """Makes tables of the headline scores: the first split by kind, of others the mean of kinds alone."""
    first, *others = splits_of(summary)
    tables = [_rich_table(summary, f"{first}, by kind", [(first, kind) for kind in kinds_of(summary, first)])]
    if others:
        last = [(split, kinds_of(summary, split)[-1]) for split in others]
        tables.append(_rich_table(summary, "other splits, mean of kinds", last))
    return tables


def _rich_table(summary: dict[str, Any], heading: str, places: Sequence[tuple[str, str]]) -> Table:
    caption = f"{heading}\nlower is better, F-pitch higher; !: failed on some pairs; intervals in report.md"
    table = Table(title=caption, box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("method", no_wrap=True)
    scored = [name for name in HEADLINES if any(row["metric"] == name for row in summary["scores"])]
    for metric in scored:
        column = BY_NAME[metric]
        unit = f"\n{column.unit}" if column.unit else ""
        table.add_column(column.short.replace(", ", "\n") + unit, justify="right", no_wrap=True)
    table.add_column("pairs", justify="right", no_wrap=True)
    for split, kind in places:
        rows = [row for row in summary["scores"] if row["split"] == split and row["kind"] == kind]
        best = {metric: best_mean(rows, metric) for metric in scored}
        name = kind if heading.endswith("by kind") else split.removeprefix("test_").replace("_", " ")
        table.add_row(Text(name, style="bold"))
        for method in dict.fromkeys(row["method"] for row in rows):
            means = [find_row(rows, method=method, metric=metric) for metric in scored]
            cells = [
                Text(_short(row), style="bold" if row and row["mean"] == best[metric] else "")
                for metric, row in zip(scored, means, strict=True)
            ]
            count = means[0]["count"] if means[0] else 0
            table.add_row(f"  {method_title(method)}", *cells, str(count))
        table.add_section()
    return table


def _short(row: dict[str, Any] | None) -> str:
    """Formats a mean for a narrow column; "!" marks failures."""
    if row is None:
        return ""
    if row["mean"] is None:
        return "fails"
    return f"{row['mean']:.{BY_NAME[row['metric']].decimals}f}{'!' if row['failed'] else ''}"


def comparison_sentences(summary: dict[str, Any]) -> list[str]:
    """States the only system's distance from each copy and the transplant: first split, all kinds.

    Empty if there are several systems.
    """
    split = splits_of(summary)[0]
    kind = kinds_of(summary, split)[-1]
    sentences: list[str] = []
    if len(systems_of(summary)) != 1:
        return sentences
    for row in summary["differences"]:
        if (row["split"], row["kind"]) != (split, kind) or row["metric"] not in HEADLINES[:2]:
            continue
        if row["baseline"] in ("copy_of_source", "copy_of_reference", "transplant"):
            methods = f"{method_title(row['method'])} less {method_title(row['baseline'])}"
            sentences.append(
                f"{BY_NAME[row['metric']].title}: {methods}"
                f" {format_difference(row)}, nearer to the target in {100 * row['wins']:.0f}% of pairs"
            )
    return sentences
