"""Reports of an evaluation: tables in Markdown and LaTeX, plots as SVG, all from one summary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from manifests.dataset import files
from manifests.html.svg import element
from train.evaluation.formatting import (
    best_mean,
    format_difference,
    format_extremes,
    format_interval,
    format_mean,
    method_title,
)
from train.evaluation.summary import find_row, kinds_of, methods_of, splits_of, systems_of
from train.evaluation.targets import targets_sentence
from train.metrics.catalogue import BY_NAME, HEADLINES

Rows = list[dict[str, Any]]
Summary = dict[str, Any]

WIDTH, NAME, LINE, TOP = 640, 190, 22, 46
"""Size of a plot: width, width of the names, height of a line, height of the heading."""


def write_reports(summary: Summary, out: Path) -> None:
    """Writes `report.md` and `report.tex` into `out`, and a plot of each headline metric into `out/plots`."""
    files.replace(out / "report.md", markdown_report(summary).encode())
    files.replace(out / "report.tex", latex_report(summary).encode())
    split = splits_of(summary)[0]
    for metric in HEADLINES:
        rows = [r for r in summary["scores"] if r["split"] == split and r["metric"] == metric]
        if rows:
            files.replace(out / "plots" / f"{metric}.svg", interval_plot(rows, metric, split).encode())


def markdown_report(summary: Summary) -> str:
    """Formats a summary as Markdown.

    First the headline metrics of every split and kind, then the other metrics of the first split, hard cases,
    and paired tests.
    """
    parts = ["# Scores", "", *([f"**{heading}.**", ""] if (heading := summary.get("heading")) else [])]
    parts += [_about(summary), ""]
    for split in splits_of(summary):
        for kind in kinds_of(summary, split):
            rows = [r for r in summary["scores"] if (r["split"], r["kind"]) == (split, kind)]
            parts += [f"## {split}, {kind}", "", *markdown_table(rows, HEADLINES, format_interval), ""]
    split = splits_of(summary)[0]
    kind = kinds_of(summary, split)[-1]
    rows = [r for r in summary["scores"] if (r["split"], r["kind"]) == (split, kind)]
    parts += [
        f"## Median, and worst: {split}, {kind}",
        "",
        *markdown_table(rows, HEADLINES, format_extremes),
        "",
    ]
    others = [m["name"] for m in summary["metrics"] if m["name"] not in HEADLINES]
    parts += [f"## All other metrics: {split}, {kind}", ""]
    for first in range(0, len(others), 6):
        parts += [*markdown_table(rows, others[first : first + 6], format_mean), ""]
    if summary["cases"]:
        parts += ["## Hard cases, all splits together", ""]
        for case in dict.fromkeys(row["case"] for row in summary["cases"]):
            rows = [row for row in summary["cases"] if row["case"] == case]
            parts += [f"### {case.replace('_', ' ')}", "", *markdown_table(rows, HEADLINES, format_mean), ""]
    return "\n".join([*parts, *_paired(summary, split, kind), ""])


def _about(summary: Summary) -> str:
    intervals = (
        f"Mean with its 95% interval, resampled by timbre and {_second_cluster(summary)} cluster."
        " Lower is better but for F."
    )
    targets = f" {sentence}." if (sentence := targets_sentence(summary)) else ""
    systems = systems_of(summary)
    fails = sum(row["failed"] for row in summary["scores"] if row["method"] in systems)
    left = sum(row["excluded"] for row in summary["scores"] if row["method"] == "silence")
    return (
        f"{intervals} Failures of systems (undefined by the estimate alone), all tables together: {fails}."
        f" Values that targets leave undefined, left out for all methods alike: {left}."
        f"{targets}"
    )


def _second_cluster(summary: Summary) -> str:
    """Names what intervals are clustered by besides timbres: phrases, or the targets of given pairs."""
    return "target" if "targets" in summary else "phrase"


def markdown_table(rows: Rows, metrics: Sequence[str], format_score: Callable[..., str]) -> list[str]:
    """Returns the lines of a table with a row for each method; the best mean is bold.

    Args:
        rows: Score rows of a summary, of one split and kind.
        metrics: Names of the metrics, a column each; those that were not scored are left out.
        format_score: Formats a row, or None where a method lacks the metric.
    """
    scored = [metric for metric in metrics if any(row["metric"] == metric for row in rows)]
    heads = [BY_NAME[m].short + (f" [{BY_NAME[m].unit}]" if BY_NAME[m].unit else "") for m in scored]
    lines = ["| method | " + " | ".join(heads) + " | pairs |", "| --- |" + " ---: |" * (len(scored) + 1)]
    best = {metric: best_mean(rows, metric) for metric in scored}
    for method in dict.fromkeys(row["method"] for row in rows):
        mine = {row["metric"]: row for row in rows if row["method"] == method}
        cells = []
        for metric in scored:
            cell = format_score(mine.get(metric))
            bold = cell and mine[metric]["mean"] is not None and mine[metric]["mean"] == best[metric]
            cells.append(f"**{cell}**" if bold else cell)
        pairs = max((row["count"] for row in mine.values()), default=0)
        lines.append(f"| {method_title(method).replace('|', '/')} | " + " | ".join(cells) + f" | {pairs} |")
    return lines


def _paired(summary: Summary, split: str, kind: str) -> list[str]:
    """Formats the paired differences of systems from each other and from the baselines."""
    rows = [
        row
        for row in summary["differences"]
        if (row["split"], row["kind"]) == (split, kind) and row["metric"] in HEADLINES
    ]
    if not rows:
        return []
    lines = [
        f"## Paired differences: {split}, {kind}",
        "",
        "First less second. p: sign-flip tests over clusters; between systems, Holm-adjusted.",
        "",
        "| metric | first | second | difference | first is better in | p |",
        "| --- | --- | --- | ---: | ---: | ---: |",
    ]
    for row in rows:
        p = "" if row["p"] is None else f"{row['p']:.4f}"
        names = (BY_NAME[row["metric"]].short, method_title(row["method"]), method_title(row["baseline"]))
        words = " | ".join(name.replace("|", "/") for name in names)
        lines.append(f"| {words} | {format_difference(row)} | {100 * row['wins']:.0f}% | {p} |")
    return lines


def latex_report(summary: Summary) -> str:
    """Formats the headline metrics as LaTeX: a booktabs table for each split, of its mean of kinds."""
    by = _second_cluster(summary)
    parts = [f"% Needs \\usepackage{{booktabs}}. Mean with 95% interval, by timbre and {by} cluster."]
    heading = f" {_tex(summary['heading'])}." if summary.get("heading") else ""
    for split in splits_of(summary):
        kind = kinds_of(summary, split)[-1]
        rows = [r for r in summary["scores"] if (r["split"], r["kind"]) == (split, kind)]
        scored = [m for m in HEADLINES if any(row["metric"] == m for row in rows)]
        best = {metric: best_mean(rows, metric) for metric in scored}
        heads = []
        for metric in scored:
            column = BY_NAME[metric]
            arrow = r"$\uparrow$" if column.higher else r"$\downarrow$"
            heads.append(f"{_tex(column.short)}{f' [{column.unit}]' if column.unit else ''} {arrow}")
        parts += [
            r"\begin{table}",
            rf"\caption{{{_tex(split.replace('_', ' '))}, {_tex(kind)}.{heading}}}",
            rf"\begin{{tabular}}{{l{'r' * len(scored)}}}",
            r"\toprule",
            " & ".join(["method", *heads]) + r" \\",
            r"\midrule",
        ]
        for method in dict.fromkeys(row["method"] for row in rows):
            mine = {row["metric"]: row for row in rows if row["method"] == method}
            cells = []
            for metric in scored:
                row = mine.get(metric)
                cell = _tex(format_interval(row))
                cells.append(rf"\textbf{{{cell}}}" if row and row["mean"] == best[metric] else cell)
            parts.append(" & ".join([_tex(method_title(method)), *cells]) + r" \\")
        parts += [r"\bottomrule", r"\end{tabular}", r"\end{table}", ""]
    return "\n".join(parts)


_TEX = {"\\": r"\textbackslash{}", "–": "--", **{c: f"\\{c}" for c in "&%$#_{}"}, "~": r"\~{}", "^": r"\^{}"}


def _tex(text: str) -> str:
    """Escapes text for LaTeX."""
    return "".join(_TEX.get(character, character) for character in text)


INK, SOFT, LINE_COLOUR, SYSTEM_COLOUR = "#1d1f24", "#646a75", "#efede7", "#8a3fa8"


def interval_plot(rows: Rows, metric: str, split: str) -> str:
    """Draws means as dots and intervals as bars, a group for each kind, as an SVG file.

    Args:
        rows: Score rows of a summary, of one split and metric.
        metric: Name of the metric.
        split: Name of the split, for the heading.
    """
    column = BY_NAME[metric]
    plotted = [row for row in rows if row["mean"] is not None and row["method"] != "target"]
    kinds = list(dict.fromkeys(row["kind"] for row in rows if row["mean"] is not None))
    methods = methods_of({"scores": plotted})
    systems = systems_of({"scores": plotted})
    height = TOP + LINE * (len(kinds) + len(plotted)) + 34
    ends = [row["mean"] if row["high"] is None else row["high"] for row in plotted]
    top = max(ends, default=1.0) * 1.05 or 1.0

    def x(value: float) -> float:
        return NAME + (WIDTH - NAME - 70) * value / top

    unit = f" [{column.unit}]" if column.unit else ""
    better = "higher is better" if column.higher else "lower is better"
    about = f"{split.replace('_', ' ')}; {better}; lines: 95% intervals by cluster"
    parts = [
        element("title", f"{column.title} on {split}"),
        element("rect", width=WIDTH, height=height, fill="#ffffff"),
        element("text", f"{column.title}{unit}", x=10, y=20, font_size=14, font_weight="bold"),
        element("text", about, x=10, y=36, fill=SOFT),
    ]
    y = TOP + LINE / 2
    for kind in kinds:
        parts.append(element("text", kind, x=10, y=y + 4, font_weight="bold"))
        y += LINE
        for method in methods:
            row = find_row(plotted, kind=kind, method=method)
            if row is None:
                continue
            colour = SYSTEM_COLOUR if method in systems else SOFT
            parts.append(element("text", method_title(method), x=20, y=y + 4))
            parts.append(element("line", x1=NAME, x2=x(top), y1=y, y2=y, stroke=LINE_COLOUR))
            if row["low"] is not None:
                ends_of = {"x1": x(max(row["low"], 0.0)), "x2": x(row["high"]), "y1": y, "y2": y}
                parts.append(element("line", **ends_of, stroke=colour, stroke_width=3, opacity=0.5))
            parts.append(element("circle", cx=x(row["mean"]), cy=y, r=4.5, fill=colour))
            mean = f"{row['mean']:.{column.decimals}f}"
            parts.append(element("text", mean, x=WIDTH - 10, y=y + 4, text_anchor="end"))
            y += LINE
    base = height - 22
    parts.append(element("line", x1=NAME, x2=x(top), y1=base, y2=base, stroke=SOFT))
    for tick in range(5):
        value = top * tick / 4
        parts.append(
            element("text", f"{value:.3g}", x=x(value), y=base + 15, text_anchor="middle", fill=SOFT)
        )
    svg = element(
        "svg",
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH} {height}",
        width=WIDTH,
        font_family="sans-serif",
        font_size=12,
        fill=INK,
    )
    return f"{svg}\n"
