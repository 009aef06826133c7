"""Reports for papers: tables in Markdown and LaTeX, plots as SVG, all from one summary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from manifests.dataset import files
from train.evaluation.formatting import best_of, extremes, interval, number, signed_interval, title
from train.evaluation.summary import kinds_of, methods_of, splits_of, systems_of
from train.metrics.catalogue import BY_NAME, HEADLINES

Rows = list[dict[str, Any]]
Summary = dict[str, Any]

WIDTH, NAME, LINE, TOP = 640, 190, 22, 46


def write_reports(summary: Summary, out: Path) -> None:
    """Writes `report.md`, `report.tex` and a plot for each headline metric into `out/plots`."""
    files.replace(out / "report.md", markdown(summary).encode())
    files.replace(out / "report.tex", latex(summary).encode())
    split = splits_of(summary)[0]
    for metric in HEADLINES:
        rows = [r for r in summary["scores"] if r["split"] == split and r["metric"] == metric]
        if rows:
            files.replace(out / "plots" / f"{metric}.svg", plot(rows, metric, split).encode())


def markdown(summary: Summary) -> str:
    """Every split and kind on the headline metrics, then all metrics of the first split, cases, tests."""
    parts = ["# Scores", "", *([f"**{heading}.**", ""] if (heading := summary.get("heading")) else [])]
    parts += [_about(summary), ""]
    for split in splits_of(summary):
        for kind in kinds_of(summary, split):
            rows = [r for r in summary["scores"] if (r["split"], r["kind"]) == (split, kind)]
            parts += [f"## {split}, {kind}", "", *markdown_table(rows, HEADLINES, interval), ""]
    split = splits_of(summary)[0]
    kind = kinds_of(summary, split)[-1]
    rows = [r for r in summary["scores"] if (r["split"], r["kind"]) == (split, kind)]
    parts += [f"## Median, and worst: {split}, {kind}", "", *markdown_table(rows, HEADLINES, extremes), ""]
    others = [m["name"] for m in summary["metrics"] if m["name"] not in HEADLINES]
    parts += [f"## All other metrics: {split}, {kind}", ""]
    for first in range(0, len(others), 6):
        parts += [*markdown_table(rows, others[first : first + 6], number), ""]
    if summary["cases"]:
        parts += ["## Hard cases, all splits together", ""]
        for case in dict.fromkeys(row["case"] for row in summary["cases"]):
            rows = [row for row in summary["cases"] if row["case"] == case]
            parts += [f"### {case.replace('_', ' ')}", "", *markdown_table(rows, HEADLINES, number), ""]
    return "\n".join([*parts, *_paired(summary, split, kind), ""])


def _about(summary: Summary) -> str:
    said = "Mean with its 95% interval, resampled by timbre and phrase cluster. Lower is better but for F."
    systems = systems_of(summary)
    fails = sum(row["failed"] for row in summary["scores"] if row["method"] in systems)
    left = sum(row["excluded"] for row in summary["scores"] if row["method"] == "silence")
    return (
        f"{said} Failures of systems (undefined by the estimate alone), all tables together: {fails}."
        f" Values that targets leave undefined, left out for all methods alike: {left}."
    )


def markdown_table(rows: Rows, metrics: Sequence[str], word: Callable[..., str]) -> list[str]:
    """The lines of a table, a row for each method; `word` writes a score."""
    there = [metric for metric in metrics if any(row["metric"] == metric for row in rows)]
    heads = [BY_NAME[m].short + (f" [{BY_NAME[m].unit}]" if BY_NAME[m].unit else "") for m in there]
    lines = ["| method | " + " | ".join(heads) + " | pairs |", "| --- |" + " ---: |" * (len(there) + 1)]
    best = {metric: best_of(rows, metric) for metric in there}
    for method in dict.fromkeys(row["method"] for row in rows):
        mine = {row["metric"]: row for row in rows if row["method"] == method}
        cells = []
        for metric in there:
            cell = word(mine.get(metric))
            bold = cell and mine[metric]["mean"] is not None and mine[metric]["mean"] == best[metric]
            cells.append(f"**{cell}**" if bold else cell)
        pairs = max((row["count"] for row in mine.values()), default=0)
        lines.append(f"| {title(method).replace('|', '/')} | " + " | ".join(cells) + f" | {pairs} |")
    return lines


def _paired(summary: Summary, split: str, kind: str) -> list[str]:
    """The systems compared with each other and with the strongest baselines, pair by pair."""
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
        "First less second. p: by flipping the signs of whole clusters; between systems, Holm-adjusted.",
        "",
        "| metric | first | second | difference | first is better in | p |",
        "| --- | --- | --- | ---: | ---: | ---: |",
    ]
    for row in rows:
        p = "" if row["p"] is None else f"{row['p']:.4f}"
        names = (BY_NAME[row["metric"]].short, title(row["method"]), title(row["baseline"]))
        words = " | ".join(name.replace("|", "/") for name in names)
        lines.append(f"| {words} | {signed_interval(row)} | {100 * row['wins']:.0f}% | {p} |")
    return lines


def latex(summary: Summary) -> str:
    """A booktabs table for each split: its last kind (the mean of kinds), headline metrics."""
    parts = ["% Needs \\usepackage{booktabs}. Mean with 95% interval, by timbre and phrase cluster."]
    heading = f" {_tex(summary['heading'])}." if summary.get("heading") else ""
    for split in splits_of(summary):
        kind = kinds_of(summary, split)[-1]
        rows = [r for r in summary["scores"] if (r["split"], r["kind"]) == (split, kind)]
        there = [m for m in HEADLINES if any(row["metric"] == m for row in rows)]
        best = {metric: best_of(rows, metric) for metric in there}
        heads = []
        for metric in there:
            column = BY_NAME[metric]
            arrow = r"$\uparrow$" if column.higher else r"$\downarrow$"
            heads.append(f"{_tex(column.short)}{f' [{column.unit}]' if column.unit else ''} {arrow}")
        parts += [
            r"\begin{table}",
            rf"\caption{{{_tex(split.replace('_', ' '))}, {_tex(kind)}.{heading}}}",
            rf"\begin{{tabular}}{{l{'r' * len(there)}}}",
            r"\toprule",
            " & ".join(["method", *heads]) + r" \\",
            r"\midrule",
        ]
        for method in dict.fromkeys(row["method"] for row in rows):
            mine = {row["metric"]: row for row in rows if row["method"] == method}
            cells = []
            for metric in there:
                row = mine.get(metric)
                cell = _tex(interval(row))
                cells.append(rf"\textbf{{{cell}}}" if row and row["mean"] == best[metric] else cell)
            parts.append(" & ".join([_tex(title(method)), *cells]) + r" \\")
        parts += [r"\bottomrule", r"\end{tabular}", r"\end{table}", ""]
    return "\n".join(parts)


_TEX = {"\\": r"\textbackslash{}", "–": "--", **{c: f"\\{c}" for c in "&%$#_{}"}, "~": r"\~{}", "^": r"\^{}"}


def _tex(text: str) -> str:
    """Plain text as LaTeX."""
    return "".join(_TEX.get(character, character) for character in text)


def plot(rows: Rows, metric: str, split: str) -> str:
    """Means as dots and intervals as lines, a group for each kind, as one SVG that stands alone."""
    column = BY_NAME[metric]
    shown = [row for row in rows if row["mean"] is not None]
    kinds = list(dict.fromkeys(row["kind"] for row in shown))
    order = [m for m in methods_of({"scores": shown}) if m != "target"]
    height = (
        TOP
        + sum(LINE * (1 + sum(r["kind"] == k and r["method"] in order for r in shown)) for k in kinds)
        + 34
    )
    ends = [
        row["high"] if row["high"] is not None else row["mean"] for row in shown if row["method"] in order
    ]
    top = max(ends, default=1.0) * 1.05 or 1.0

    def x(value: float) -> float:
        return NAME + (WIDTH - NAME - 70) * value / top

    unit = f" [{column.unit}]" if column.unit else ""
    better = "higher is better" if column.higher else "lower is better"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}"'
        ' font-family="sans-serif" font-size="12" fill="#1d1f24">',
        f"<title>{escape(column.title)} on {escape(split)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="10" y="20" font-size="14" font-weight="bold">{escape(column.title)}{unit}</text>',
        f'<text x="10" y="36" fill="#646a75">{escape(split.replace("_", " "))}; {better};'
        " lines: 95% intervals by timbre and phrase</text>",
    ]
    y = TOP + LINE / 2
    for kind in kinds:
        parts.append(f'<text x="10" y="{y + 4:.0f}" font-weight="bold">{escape(kind)}</text>')
        y += LINE
        for method in order:
            row = next((r for r in shown if r["kind"] == kind and r["method"] == method), None)
            if row is None:
                continue
            colour = "#8a3fa8" if method in systems_of({"scores": shown}) else "#646a75"
            parts.append(f'<text x="20" y="{y + 4:.0f}">{escape(title(method))}</text>')
            parts.append(f'<line x1="{NAME}" x2="{x(top):.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="#efede7"/>')
            if row["low"] is not None:
                parts.append(
                    f'<line x1="{x(max(row["low"], 0.0)):.1f}" x2="{x(row["high"]):.1f}" y1="{y:.1f}"'
                    f' y2="{y:.1f}" stroke="{colour}" stroke-width="3" opacity="0.5"/>'
                )
            parts.append(f'<circle cx="{x(row["mean"]):.1f}" cy="{y:.1f}" r="4.5" fill="{colour}"/>')
            words = f"{row['mean']:.{column.decimals}f}"
            parts.append(f'<text x="{WIDTH - 10}" y="{y + 4:.0f}" text-anchor="end">{words}</text>')
            y += LINE
    base = height - 22
    parts.append(f'<line x1="{NAME}" x2="{x(top):.1f}" y1="{base}" y2="{base}" stroke="#646a75"/>')
    for tick in range(5):
        value = top * tick / 4
        parts.append(
            f'<text x="{x(value):.1f}" y="{base + 15}" text-anchor="middle" fill="#646a75">{value:.3g}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])
