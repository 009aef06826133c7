"""Formats the card of a released checkpoint as Markdown, and what the project's README shows of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from manifests.types import InputError
from train.codec.release_facts import MEAN_OF_KINDS, METRICS, RELEASED, TO_DO, Card, figure
from train.metrics.catalogue import BY_NAME, HEADLINES

BEGIN, END = "<!-- card:begin -->", "<!-- card:end -->"
"""Marks in the project's README around what `readme_block` makes."""
FAILURES = 3
"""Number of known failures in the README."""
SHOWN = {"released": "**this codec**", "transplant": "transplant, notes as heard",
         "transplant_known": "transplant, told the true notes", "copy_of_source": "copy of the source",
         "copy_of_reference": "copy of the reference"}  # fmt: skip
"""Methods of the README's table, and their titles there."""


def score_table(scored: Mapping[str, Any], split: str, kind: str = MEAN_OF_KINDS) -> list[str]:
    """Returns the lines of a Markdown table of all methods on one split, with 95% intervals."""
    rows = [r for r in scored["rows"] if (r["split"], r["kind"]) == (split, kind)]
    metrics = [metric for metric in METRICS if any(r["metric"] == metric for r in rows)]
    lines = ["| method | " + " | ".join(BY_NAME[m].title for m in metrics) + " |"]
    lines.append("| --- |" + " ---: |" * len(metrics))
    for method in dict.fromkeys(r["method"] for r in rows):
        cells = []
        for metric in metrics:
            row = next((r for r in rows if (r["method"], r["metric"]) == (method, metric)), None)
            cells.append("" if row is None else _interval(metric, row))
        title = f"**{method}**" if method == RELEASED else method.replace("_", " ")
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return lines


def _interval(metric: str, row: Mapping[str, Any]) -> str:
    mean = figure(metric, row["mean"])
    if row["mean"] is None or row["low"] is None:
        return mean
    digits = BY_NAME[metric].decimals
    return f"{mean} ({row['low']:.{digits}f}–{row['high']:.{digits}f})"


def splits_of(scored: Mapping[str, Any]) -> list[str]:
    """Returns the splits of scores of a card, in their order."""
    return list(dict.fromkeys(row["split"] for row in scored["rows"]))


def card_markdown(card: Card) -> str:
    """Formats a card as Markdown, with the header that model hubs read."""
    front = yaml.safe_dump(
        {
            "license": "other",
            "tags": ["audio", "codec", "timbre-transfer", "synthesizer"],
            "library_name": "triptych",
        },
        sort_keys=False,
    )
    data = card["data"]
    presets = "\n".join(
        f"| {synth} | {about['train']} | {about['held_out']} | {about['licence']} |"
        for synth, about in data["synths"].items()
    )
    sizes = ", ".join(f"`{file}` {about['bytes'] / 2**20:.1f} MiB" for file, about in card["weights"].items())
    parts = []
    for scored in card["scores"]:
        for split in splits_of(scored):
            heading = f"### {scored['data']}, {split}, mean over the kinds of conversion"
            parts += [heading, "", *score_table(scored, split), ""]
    scores = "\n".join(parts).rstrip()
    failures = "\n".join(f"- {line}" for line in card["failures"]) or "None was found in these scores."
    pairs = ", ".join(f"{s['pairs_per_kind']} pairs of each kind on {s['data']}" for s in card["scores"])
    hours = f"{card['hours']:.2f} hours" if card["hours"] is not None else f"{TO_DO}: hours"
    settings = yaml.safe_dump(card["training"], sort_keys=False).rstrip()
    return f"""---
{front}---

# {card["name"]}

{card["note"]}

System `{card["system"]}`, {card["parameters"] / 1e6:.2f} million parameters, {card["step"]} steps, seed
{card["training"]["seed"]}, {card["rate"]} Hz mono. Trained for {hours} on {card["machine"]}.
Weights in half precision: {sizes}.
All facts of this card, and the scores of every kind of conversion, are in `card.json`.

    triptych-train convert --source a.wav --reference b.wav --out y.wav

## Data

Trained from `{data["name"]}`, rendered with Triptych from `{data["config"]}`: seed {data["seed"]},
fingerprint `{data["fingerprint"]}`.

| synth | train timbres | held out | presets |
| --- | ---: | ---: | --- |
{presets}

## Scores

Means with 95% intervals, resampled by timbre and phrase cluster; {pairs}. Lower is better but for F.
Other seeds of the same training are named as such. `make card` renders the data and makes these figures
again.

{scores}

## Known failures

{failures}

## Make it again

    {card["recipe"]}

```yaml
{settings}
```
"""


def readme_block(card: Card) -> str:
    """Formats what the project's README shows of a card, with the marks around it.

    The table has the mean over the kinds of conversion, of the first and the last split of each dataset.
    """
    lines = [
        card["note"],
        f"It has {card['parameters'] / 1e6:.1f} M parameters and was trained for {card['step']:,} steps.",
        "Spectral distance to the target (MSTFT, floor 0.001), lower is better:",
        "",
    ]
    places = []
    for scored in card["scores"]:
        splits = splits_of(scored)
        chosen = [s for s in ("validation", "test_unseen_all", "test_unseen_synth") if s in splits]
        places += [(scored, split) for split in (chosen or splits)]
    heads = [f"{s['data']}, {split.removeprefix('test_').replace('_', ' ')}" for s, split in places]
    lines += ["| method | " + " | ".join(heads) + " |", "| --- |" + " ---: |" * len(heads)]
    for method, title in SHOWN.items():
        cells = []
        for scored, split in places:
            row = next(
                (r for r in scored["rows"] if (r["split"], r["kind"], r["metric"], r["method"])
                 == (split, MEAN_OF_KINDS, HEADLINES[0], method)), None,
            )  # fmt: skip
            cells.append("" if row is None else figure(HEADLINES[0], row["mean"]))
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    failures = card["failures"]
    more = f"its [card](train/released_weights/README.md) has all {len(failures)} findings, and all scores"
    lines += ["", f"Where it fails ({more}):", "", *(f"- {line}" for line in failures[:FAILURES])]
    return "\n".join([BEGIN, *lines, END])


def with_block(readme: str, card: Card) -> str:
    """Returns a README with the block of a card between its marks.

    Raises InputError if it lacks the marks.
    """
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise InputError(f"README.md: expected the marks {BEGIN} and {END}")
    return f"{before}{readme_block(card)}{after}"
