"""Table of a comparison in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from train.evaluation.compare.config import CompareConfig
from train.evaluation.formatting import format_interval
from train.evaluation.report import markdown_table
from train.evaluation.summary import kinds_of, splits_of
from train.metrics.catalogue import HEADLINES


@dataclass(frozen=True, slots=True)
class TrainedSystem:
    """One trained system.

    Attributes:
        system: Name of its kind of system.
        parameters: Number of parameters, with discriminators.
        steps: Training steps of the weights that are scored.
        own_rate: Sample rate that it works at, Hz.
        real_time_factor: CPU seconds for a second of audio; None if the scores existed already.
    """

    system: str
    parameters: int
    steps: int
    own_rate: int
    real_time_factor: float | None


def comparison_report(
    config: CompareConfig,
    trained: Mapping[str, TrainedSystem],
    summaries: Mapping[int, dict[str, Any]],
    rate: int,
) -> str:
    """Formats a comparison: heading, training time, systems, then scores at every sample rate.

    Args:
        config: The comparison.
        trained: The systems by name.
        summaries: The summary of scores at each sample rate, Hz.
        rate: The dataset's sample rate, Hz.
    """
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
    for name, result in trained.items():
        factor = "" if result.real_time_factor is None else f"{result.real_time_factor:.2f}"
        cells = [name, result.system, f"{result.parameters / 1e6:.1f}", f"{result.steps:,}"]
        lines.append("| " + " | ".join([*cells, str(result.own_rate), factor]) + " |")
    lines += [
        "",
        "Parameters include discriminators. An oracle is the target through a system's decoder alone: a bound"
        " on its conversions. Intervals: 95%, by timbre and phrase cluster.",
    ]
    for at in sorted(summaries, reverse=True):
        for split in splits_of(summaries[at]):
            kind = kinds_of(summaries[at], split)[-1]
            rows = [row for row in summaries[at]["scores"] if (row["split"], row["kind"]) == (split, kind)]
            lines += [
                "",
                f"## {split}, {kind}, at {at} Hz",
                "",
                *markdown_table(rows, HEADLINES, format_interval),
            ]
    return "\n".join([*lines, ""])
