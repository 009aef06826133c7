"""One comparison of systems from config to table and page: equal training time, equal scoring.

OUT/configs/NAME.yaml     the training config of each system
OUT/runs/NAME/            its run, from which a stopped comparison resumes
OUT/scores/               systems, their oracles and baselines, in the files of `train evaluate`
OUT/scores-16000/         the same at the own sample rate of a system, first split only
OUT/page.html             the listening page of all systems
OUT/comparison.md         the table
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from manifests.dataset import files
from manifests.dataset.canonical import sha256_file
from train.checkpoint import read_metadata
from train.codec.api import Codec, load_codec
from train.config import RunConfig, as_yaml
from train.data.tables import Tables
from train.evaluation.compare.config import CompareConfig
from train.evaluation.compare.report import TrainedSystem, comparison_report
from train.evaluation.compare.trials import comparison_trials
from train.evaluation.page.page import make_page
from train.evaluation.pairs import ConversionTimer
from train.evaluation.run import ProgressStarter, check_rate, choose_pairs, score_all, scoring_plan
from train.systems import build
from train.systems.base import Format

Say = Callable[[str], Any]
Tracking = Callable[[str, str], AbstractContextManager[ProgressStarter]]
"""Makes a progress bar from what is done and its unit."""
Fit = Callable[[Path, str, Path], Any]
"""Trains a system, given config, dataset and run folder."""

TIMED_S = 3.0
"""Length of the recording whose conversion is timed for the estimate."""
KINDS = 4
"""Kinds of conversion, reconstruction included."""


def device() -> torch.device:
    """Returns the device that systems convert on: a GPU if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def estimate_duration(config: CompareConfig, runs: Mapping[str, RunConfig], rate: int, say: Say) -> None:
    """Estimates the duration of a comparison: training budgets, and conversions timed with untrained weights.

    Args:
        config: The comparison.
        runs: The training config of each system.
        rate: Sample rate of the clips, Hz.
        say: Called with each line of the estimate.
    """
    conversions = config.pairs * KINDS * (len(config.splits) + 1)
    tone = np.sin(np.arange(round(TIMED_S * rate)) * (2 * np.pi * 220 / rate)).astype(np.float32)
    total = config.minutes * len(runs)
    say(f"{len(runs)} systems, {config.minutes:g} min of training each: {total:g} min")
    for name, run in runs.items():
        system = build(run.system, run.model, Format(rate, 5.0, ("one",)), run.seed).to(device())
        codec = Codec(system, name)
        codec.convert(tone[: rate // 2], tone[: rate // 2])
        start = time.monotonic()
        codec.convert(tone, tone)
        seconds = time.monotonic() - start
        total += seconds * conversions / 60.0
        size = sum(parameter.numel() for parameter in system.parameters()) / 1e6
        say(
            f"{name}: {size:.1f} M parameters; {conversions} conversions at {seconds:.2f} s (timed now, one"
            f" at a time): {seconds * conversions / 60.0:.0f} min"
        )
    say(f"estimate: {total / 60.0:.1f} h on {device().type}, plus the time of metrics and page")


def train_all(
    config: CompareConfig, runs: Mapping[str, RunConfig], data: Path, out: Path, fit: Fit, say: Say
) -> None:
    """Train every system, one after the other; a run that was stopped resumes.

    Args:
        config: The comparison.
        runs: The training config of each system.
        data: The dataset's folder.
        out: Folder of the comparison.
        fit: Trains one system.
        say: Called with a message for the user.

    Raises:
        InputError: If the dataset or a split cannot be used; before any training.
    """
    tables = Tables.open(data)
    # Missing pairs are to be found before hours of training.
    choose_pairs(tables.layout, config.splits, config.pairs, config.seed, say)
    estimate_duration(config, runs, tables.rate, say)
    for name, run in runs.items():
        path = out / "configs" / f"{name}.yaml"
        files.replace(path, as_yaml(run))
        say(f"{name}: training for {config.minutes:g} min at most")
        fit(path, str(data), out / "runs" / name)


def score_and_report(
    config: CompareConfig,
    names: Sequence[str],
    data: Path,
    out: Path,
    say: Say,
    tracking: Tracking,
    workers: int | None = None,
) -> Path:
    """Scores the trained systems, and writes table and page.

    Args:
        config: The comparison.
        names: Names of the systems.
        data: The dataset's folder.
        out: Folder of the comparison.
        say: Called with a message for the user.
        tracking: Makes progress bars.
        workers: Conversions and scores that are computed at a time; by default all cores.

    Returns:
        The path of the table.

    Raises:
        InputError: If a checkpoint or the dataset cannot be used.
    """
    tables = Tables.open(data)
    chosen = choose_pairs(tables.layout, config.splits, config.pairs, config.seed, lambda _: None)
    checkpoints = {name: out / "runs" / name / "best.safetensors" for name in names}
    codecs = {name: load_codec(path) for name, path in checkpoints.items()}
    for codec in codecs.values():
        codec.system.to(device())
        check_rate(codec.rate, tables)
    plan = scoring_plan(chosen, robustness=False)
    about = {
        "heading": config.heading,
        "minutes": config.minutes,
        "checkpoints": {
            name: {"file": path.name, "sha256": sha256_file(path)} for name, path in checkpoints.items()
        },
        "dataset": tables.layout.metadata().get("name"),
        "fingerprint": tables.layout.metadata().get("fingerprint"),
        "pairs_per_kind": config.pairs,
    }
    first = {next(iter(plan)): next(iter(plan.values()))}
    timer = ConversionTimer()
    summaries = {}
    for rate in sorted({tables.rate, *(codec.own_rate for codec in codecs.values())}, reverse=True):
        part = plan if rate == tables.rate else first
        where = out / ("scores" if rate == tables.rate else f"scores-{rate}")
        jobs = comparison_trials(tables, part, codecs, rate, timer if rate == tables.rate else None)
        request = {
            "rate": rate,
            "pairs": {
                split: [(p.kind, p.source, p.reference) for p in pairs] for split, pairs in part.items()
            },
        }
        total = sum(len(pairs) for pairs in part.values())
        with tracking(f"scoring at {rate} Hz", "pairs") as track:
            summaries[rate] = score_all(
                jobs, total, config.seed, {**about, "rate": rate}, request, where, track, workers, False
            )
    trained = {name: _trained(codecs[name], path, timer, name) for name, path in checkpoints.items()}
    table = out / "comparison.md"
    files.replace(table, comparison_report(config, trained, summaries, tables.rate).encode())
    with tracking("drawing the page", "clips") as track:
        make_page(
            codecs, checkpoints, data, config.splits, config.page_pairs, config.seed, out / "scores",
            out / "page.html", say, track,
        )  # fmt: skip
    return table


def _trained(codec: Codec, checkpoint: Path, timer: ConversionTimer, name: str) -> TrainedSystem:
    metadata = read_metadata(checkpoint)
    times = timer.real_time_factors().get(name)
    return TrainedSystem(
        system=codec.system.name,
        parameters=sum(parameter.numel() for parameter in codec.system.parameters()),
        steps=int(metadata["step"]),
        own_rate=codec.own_rate,
        real_time_factor=times["real_time_factor"] if times else None,
    )
