"""The table of a comparison, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from train.evaluation.compare.config import CompareConfig
from train.evaluation.formatting import interval
from train.evaluation.report import markdown_table
from train.evaluation.summary import kinds_of, splits_of
from train.metrics.catalogue import HEADLINES


@dataclass(frozen=True, slots=True)
class Trained:
    """What became of one system: `steps` are those of the weights that are scored; the real-time factor
    counts CPU seconds a second of audio, None where scores were there already."""

    system: str
    parameters: int
    steps: int
    own_rate: int
    real_time_factor: float | None


def comparison(
    config: CompareConfig,
    trained: Mapping[str, Trained],
    summaries: Mapping[int, dict[str, Any]],
    rate: int,
) -> str:
    """The whole text: the heading over everything, the budget, the systems, then scores at every rate."""
    summary = summaries[rate]
    lines = [
        f"# {config.heading}",
        "",
        f"Dataset {summary['dataset']} ({str(summary['fingerprint'])[:16]}). Each system was trained for"
        f" {config.minutes:g} minutes on the same machine, and is scored on the same pairs, {config.pairs} a"
        " kind and split, with the weights that did best on a few validation pairs.",
        "",
        "| name | system | parameters [M] | steps | works at [Hz] | CPU s / s of audio |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for name, found in trained.items():
        factor = "" if found.real_time_factor is None else f"{found.real_time_factor:.2f}"
        lines.append(
            f"| {name} | {found.system} | {found.parameters / 1e6:.1f} | {found.steps:,} | {found.own_rate} |"
            f" {factor} |"
        )
    lines += [
        "",
        "Parameters include discriminators. An oracle is the target through a system's own way back to audio"
        " alone: what no better conversion by it could save. Intervals: 95%, by timbre and phrase cluster.",
    ]
    for at in sorted(summaries, reverse=True):
        for split in splits_of(summaries[at]):
            kind = kinds_of(summaries[at], split)[-1]
            rows = [row for row in summaries[at]["scores"] if (row["split"], row["kind"]) == (split, kind)]
            lines += ["", f"## {split}, {kind}, at {at} Hz", "", *markdown_table(rows, HEADLINES, interval)]
    return "\n".join([*lines, ""])
