"""The page as HTML: a frame from page_assets/ around the data that its script draws rows from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from train.evaluation.cases import CASES
from train.evaluation.page.data import hertz_marks, metric_data, script_json
from train.evaluation.page.figures import adsr_svg, pipeline_svg
from train.evaluation.page.scores import score_blocks
from train.evaluation.page.words import HELD_OUT, split_title, split_words

Terms = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Facts:
    """What the page says of itself: (term, words) of data and systems, rates, where rows are from."""

    data: Terms
    systems: Terms
    rates: Sequence[int]
    drawn: str


def asset(name: str) -> str:
    """A file of page_assets/."""
    return (files("train.evaluation.page") / "assets" / name).read_text(encoding="utf-8")


def render(rows: Sequence[dict[str, Any]], summary: dict[str, Any] | None, facts: Facts) -> str:
    """The whole page. Equal rows, summary and facts give the same text."""
    splits = list(dict.fromkeys(row["split"] for row in rows))
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    cases = sorted({case for row in rows for case in row["cases"]})
    systems = dict.fromkeys(
        sound["role"]
        for row in rows
        for sound in row["sounds"]
        if sound["role"] not in ("source", "reference", "target")
    )
    none = '<p class="note">This page was made without a summary of scores.</p>'
    held_out = HELD_OUT if any(split != "train" and split_words(split) for split in splits) else ""
    if "train" in splits:
        held_out = ""
    words = [(split, split_words(split)) for split in splits]
    return Template(asset("page.html")).substitute(
        style=asset("page.css"),
        script=asset("player.js") + asset("page.js"),
        data=script_json({"rows": rows, "metrics": metric_data(), "hertz": hertz_marks(facts.rates)}),
        held_out=held_out,
        adsr=adsr_svg(),
        pipeline=pipeline_svg(),
        scores=score_blocks(summary) if summary else none,
        splits="".join(f"<li><b>{escape(split_title(s))}</b>: {escape(w)}.</li>" for s, w in words if w),
        cases="".join(f"<li><b>{c.replace('_', ' ')}</b>: {CASES[c]}.</li>" for c in cases if c in CASES),
        dataset=_terms(facts.data),
        codec=_terms(facts.systems),
        drawn=escape(facts.drawn),
        count=f"{len(rows):,}",
        kinds=_options([(kind, "envelope by number" if kind == "number" else kind) for kind in kinds]),
        split_options=_options([(split, split_title(split)) for split in splits]),
        case_options=_options([(case, case.replace("_", " ")) for case in cases]),
        system_options=_options([(name, "converted" if name == "estimate" else name) for name in systems]),
        metric_options=_options([(m["name"], m["title"]) for m in metric_data()]),
    )


def _terms(terms: Terms) -> str:
    return "".join(f"<div><dt>{escape(term)}</dt><dd>{escape(words)}</dd></div>" for term, words in terms)


def _options(options: Terms) -> str:
    return "".join(f'<option value="{escape(value)}">{escape(words)}</option>' for value, words in options)
