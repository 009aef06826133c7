"""HTML of the listening page and of the blind test, from the templates in `assets/`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from manifests.html.environment import environment
from train.evaluation.cases import CASES
from train.evaluation.page.data import frequency_ticks, metric_data
from train.evaluation.page.figures import adsr_svg, pipeline_svg
from train.evaluation.page.scores import split_scores
from train.evaluation.page.words import HELD_OUT, split_title, split_words

Terms = Sequence[tuple[str, str]]
"""(term, description) pairs."""


@dataclass(frozen=True, slots=True)
class PageFacts:
    """What the page says of its data and systems: terms, sample rates in Hz, how the rows were chosen."""

    data: Terms
    systems: Terms
    rates: Sequence[int]
    choice: str


def render_template(name: str, **values: Any) -> str:
    """Renders a template of `assets/`; values are escaped.

    Raises:
        jinja2.TemplateNotFound: If there is no such template.
        jinja2.UndefinedError: If the template needs a value that is not given.
    """
    return environment(files("train.evaluation.page") / "assets").get_template(name).render(values)


def render_page(rows: Sequence[dict[str, Any]], summary: dict[str, Any] | None, facts: PageFacts) -> str:
    """Renders the listening page. Equal rows, summary and facts give the same text.

    Args:
        rows: What `row_data` made of each row.
        summary: The `summary.json` of `train evaluate`; None leaves the scores out.
        facts: What the page says of data and systems.
    """
    splits = list(dict.fromkeys(row["split"] for row in rows))
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    cases = sorted({case for row in rows for case in row["cases"]})
    systems = dict.fromkeys(
        sound["role"]
        for row in rows
        for sound in row["sounds"]
        if sound["role"] not in ("source", "reference", "target")
    )
    unseen = "train" not in splits and any(split_words(split) for split in splits)
    return render_template(
        "page.html",
        data={"rows": rows, "metrics": metric_data(), "hertz": frequency_ticks(facts.rates)},
        held_out=HELD_OUT if unseen else "",
        adsr=adsr_svg(),
        pipeline=pipeline_svg(),
        heading=summary.get("heading") if summary else None,
        scores=split_scores(summary) if summary else None,
        splits=[(split_title(split), split_words(split)) for split in splits if split_words(split)],
        cases=[(case.replace("_", " "), CASES[case]) for case in cases if case in CASES],
        facts=facts,
        count=f"{len(rows):,}",
        kind_options=[(kind, "envelope by number" if kind == "number" else kind) for kind in kinds],
        split_options=[(split, split_title(split)) for split in splits],
        case_options=[(case, case.replace("_", " ")) for case in cases],
        system_options=[(name, "converted" if name == "estimate" else name) for name in systems],
        metric_options=[(metric["name"], metric["title"]) for metric in metric_data()],
    )
