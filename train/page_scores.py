"""The page's scores as HTML: by split and kind with intervals, and beside each row."""

from __future__ import annotations

from html import escape
from typing import Any

from train.evaluate import BASELINES, FLOORS
from train.evaluate_summary import MEAN_OF_KINDS, find, kinds_of, splits_of
from train.evaluate_words import TITLES
from train.metrics import HEADLINES
from train.page_words import SPLIT_WORDS, split_title

CAPTIONS = {"mstft_floored": "Spectrum (MSTFT, floored)", "lrmsd_floored": "Level over time (LRMSD, floored)"}

Summary = dict[str, Any]


def score_blocks(summary: Summary) -> str:
    """A block for each split that was scored, the first one open."""
    blocks = []
    for number, split in enumerate(splits_of(summary)):
        opened = " open" if number == 0 else ""
        words = SPLIT_WORDS.get(split, "")
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
    """How many of the headline comparisons with the copies the system wins beyond doubt, over all kinds."""
    kind = kinds_of(summary, split)[-1]
    rows = [
        row
        for row in summary["differences"]
        if (row["split"], row["kind"]) == (split, kind)
        and row["metric"] in HEADLINES
        and row["baseline"] in ("copy_of_source", "copy_of_reference")
    ]
    better = sum(row["high"] is not None and row["high"] < 0 for row in rows)
    return f"clearly nearer to the target than a copy in {better} of {len(rows)} comparisons"


def _wins(summary: Summary, split: str) -> str:
    """The share of pairs in which the system is nearer than each copy, in words."""
    kind = kinds_of(summary, split)[-1]
    said = []
    for baseline in ("copy_of_source", "copy_of_reference"):
        row = find(summary["differences"], split=split, kind=kind, baseline=baseline, metric=HEADLINES[0])
        if row:
            said.append(f"than the {TITLES[baseline]} in {100 * row['wins']:.0f}%")
    return (
        f"By the spectrum, the codec is nearer to the target {' and '.join(said)} of pairs." if said else ""
    )


def _table(summary: Summary, split: str, metric: str) -> str:
    """Scores by kind, all kinds first; the middle column plots dots with intervals (silence has none)."""
    rows = [
        row
        for row in summary["scores"]
        if (row["split"], row["metric"]) == (split, metric) and row["method"] not in FLOORS
    ]
    ends = [row["high"] or row["mean"] for row in rows if row["method"] != "silence"]
    highest = max(ends, default=0.0) * 1.02 or 1.0
    *kinds, last = kinds_of(summary, split)
    body = []
    for kind in (last, *kinds):
        group = [row for row in rows if row["kind"] == kind]
        best = min(row["mean"] for row in group)
        name = "all kinds, each counting the same" if kind == MEAN_OF_KINDS else kind
        count = f"<small>{group[0]['count']} pairs</small>"
        body.append(f'<tr class="group"><th colspan="3" scope="rowgroup">{escape(name)} {count}</th></tr>')
        body += [_line(row, highest, row["mean"] == best) for row in group]
    return (
        f'<table class="scores"><caption>{CAPTIONS[metric]}</caption><tbody>{"".join(body)}</tbody></table>'
    )


def _line(row: dict[str, Any], highest: float, best: bool) -> str:
    method, mean, low, high = (row[name] for name in ("method", "mean", "low", "high"))
    plot = words = ""
    if low is not None:
        place = f"left:{100 * low / highest:.1f}%;width:{100 * (high - low) / highest:.1f}%"
        plot = f'<i class="range" style="{place}"></i>'
        words = f"<small>{low:.2f} to {high:.2f}</small>"
    plot += f'<i class="dot" style="left:{100 * mean / highest:.1f}%"></i>'
    return (
        f'<tr class="{_colour(method, best)}"><th scope="row">{escape(TITLES.get(method, method))}</th>'
        f'<td class="plot" aria-hidden="true"><span>{"" if method == "silence" else plot}</span></td>'
        f"<td>{mean:.2f} {words}</td></tr>"
    )


def _colour(method: str, best: bool) -> str:
    return f"m-{method if method in BASELINES else 'estimate'}{' best' if best else ''}"


def row_scores(scores: dict[str, dict[str, float]]) -> str:
    """A row's scores, {method: {metric: value}}, as bars beside those of the copies."""
    if not scores:
        return '<p class="note">There is no target to score against: such a clip was never rendered.</p>'
    tables = []
    for metric in HEADLINES:
        values = {method: scores[method][metric] for method in scores if method not in (*FLOORS, "silence")}
        highest, best = max(values.values()) or 1.0, min(values.values())
        lines = "".join(
            f'<tr class="{_colour(method, value == best)}">'
            f'<th scope="row">{"converted" if method == "estimate" else TITLES[method]}</th>'
            f'<td class="bar" aria-hidden="true"><i style="width:{100 * value / highest:.1f}%"></i></td>'
            f"<td>{value:.2f}</td></tr>"
            for method, value in values.items()
        )
        tables.append(f"<table><caption>{CAPTIONS[metric]}</caption><tbody>{lines}</tbody></table>")
    return f'<div class="row-scores">{"".join(tables)}</div>'
