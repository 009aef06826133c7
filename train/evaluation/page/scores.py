"""The page's summary of scores as HTML: by split, metric and kind, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from train.evaluation.formatting import title
from train.evaluation.page.words import split_title, split_words
from train.evaluation.summary import MEAN_OF_KINDS, RECONSTRUCTION, find, kinds_of, splits_of
from train.evaluation.trial import is_system, is_topline
from train.metrics.catalogue import BY_NAME, HEADLINES, better

Summary = dict[str, Any]


def score_blocks(summary: Summary) -> str:
    """What stands over the scores, if anything, and a block for each split, the first one open."""
    heading = summary.get("heading")
    blocks = [f'<p class="heading"><b>{escape(heading)}.</b></p>'] if heading else []
    for number, split in enumerate(splits_of(summary)):
        opened = " open" if number == 0 else ""
        words = split_words(split)
        about = f"{words[:1].upper()}{words[1:]}. " if words else ""
        tables = "".join(_table(summary, split, metric) for metric in HEADLINES)
        blocks.append(
            f"<details{opened}><summary>{escape(split_title(split))}"
            f'<span class="verdict">{escape(_verdict(summary, split))}</span></summary>'
            f'<p class="note">{escape(about + _wins(summary, split))}</p>'
            f'<div class="tables">{tables}</div></details>'
        )
    return "".join(blocks)


def _verdict(summary: Summary, split: str) -> str:
    """How many of the comparisons with the copies a system wins beyond doubt, by spectrum and level."""
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


def _wins(summary: Summary, split: str) -> str:
    """The share of pairs in which a lone system is nearer than each copy, in words."""
    kind = kinds_of(summary, split)[-1]
    systems = {row["method"] for row in summary["differences"]}
    if len(systems) != 1:
        return ""
    said = []
    for baseline in ("copy_of_source", "copy_of_reference", "transplant"):
        row = find(summary["differences"], split=split, kind=kind, baseline=baseline, metric=HEADLINES[0])
        if row:
            said.append(f"than the {title(baseline)} in {100 * row['wins']:.0f}%")
    return f"By the spectrum, the codec is nearer to the target {', '.join(said)} of pairs." if said else ""


def _table(summary: Summary, split: str, metric: str) -> str:
    """Scores by kind, all kinds first; the middle column plots dots with intervals (silence has none)."""
    column = BY_NAME[metric]
    rows = [
        row
        for row in summary["scores"]
        if (row["split"], row["metric"]) == (split, metric) and row["method"] != "target"
    ]
    if not rows:
        return ""
    shown = [row for row in rows if row["mean"] is not None and row["method"] != "silence"]
    ends = [row["mean"] if row["high"] is None else row["high"] for row in shown]
    highest = max(ends, default=0.0) * 1.02 or 1.0
    *kinds, last = kinds_of(summary, split)
    unit = f", {column.unit}" if column.unit else ""
    better_words = "higher is better" if column.higher else "lower is better"
    caption = f"<caption>{escape(column.title)}{unit} <small>{better_words}</small></caption>"
    whole = _groups(rows, [last], highest)
    apart = _groups(rows, kinds, highest)
    if apart:
        label = f"{column.title} by kind of conversion"
        apart = (
            f"<details><summary>by kind</summary>"
            f'<table class="scores" aria-label="{escape(label)}"><tbody>{apart}</tbody></table></details>'
        )
    return f'<div><table class="scores">{caption}<tbody>{whole}</tbody></table>{apart}</div>'


def _groups(rows: Sequence[dict[str, Any]], kinds: Sequence[str], highest: float) -> str:
    """The lines of some kinds, each under its name."""
    body = []
    for kind in kinds:
        group = [row for row in rows if row["kind"] == kind]
        if not group:
            continue
        best = _best(group)
        name = "all kinds, each counting the same" if kind == MEAN_OF_KINDS else kind
        count = f"<small>{group[0]['count']} pairs</small>"
        body.append(f'<tr class="group"><th colspan="3" scope="rowgroup">{escape(name)} {count}</th></tr>')
        body += [_line(row, highest, row["mean"] is not None and row["mean"] == best) for row in group]
    return "".join(body)


def _best(group: Sequence[dict[str, Any]]) -> float | None:
    """The best mean; toplines are out of the running, and in a reconstruction the copies of its target."""
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


def _line(row: dict[str, Any], highest: float, best: bool) -> str:
    method, mean, low, high = (row[name] for name in ("method", "mean", "low", "high"))
    digits = BY_NAME[row["metric"]].decimals
    failed = f"<small>{row['failed']} failed</small>" if row["failed"] else ""
    plot = words = ""
    if mean is not None and method != "silence":
        if low is not None:
            left, right = max(low, 0.0), min(high, highest)
            place = f"left:{100 * left / highest:.1f}%;width:{100 * (right - left) / highest:.1f}%"
            plot = f'<i class="range" style="{place}"></i>'
        plot += f'<i class="dot" style="left:{100 * min(mean, highest) / highest:.1f}%"></i>'
    if low is not None:
        words = f"<small>{low:.{digits}f} to {high:.{digits}f}</small>"
    value = f"{mean:.{digits}f}" if mean is not None else ""
    return (
        f'<tr class="{_colour(method)}{" best" if best else ""}">'
        f'<th scope="row">{escape(title(method))}</th>'
        f'<td class="plot" aria-hidden="true"><span>{plot}</span></td>'
        f"<td>{value} {words}{failed}</td></tr>"
    )


def _colour(method: str) -> str:
    return "m-estimate" if is_system(method) else f"m-{method.partition(' ')[0]}"
