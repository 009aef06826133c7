"""One comparison from its config to its table and page: train all for the same time, score all alike.

OUT/configs/NAME.yaml     what each system is trained with
OUT/runs/NAME/            its run; a comparison that was stopped goes on there
OUT/scores/               all systems, their oracles and the untrained baselines, as `train evaluate` writes
OUT/scores-16000/         the same at the own rate of a system that works at another one, first split only
OUT/page.html             conversions to hear, all systems side by side
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
from train.evaluation.compare.report import Trained, comparison
from train.evaluation.compare.trials import compared_trials
from train.evaluation.page.page import make_page
from train.evaluation.pairs import Clock
from train.evaluation.run import Track, check_rate, choose_pairs, score_all, with_extras
from train.systems import build
from train.systems.base import Format

Say = Callable[[str], Any]
Tracking = Callable[[str, str], AbstractContextManager[Track]]
"""A progress bar: of what, in which unit."""
Fit = Callable[[Path, str, Path], Any]
"""Given config, dataset and run folder, trains: the command, with its progress bar."""

TRIED_S = 3.0
"""Length of the recording whose conversion is timed for the estimate."""
KINDS = 4


def device() -> torch.device:
    """Where systems convert."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def estimate(config: CompareConfig, runs: Mapping[str, RunConfig], rate: int, say: Say) -> None:
    """Says how long it all will take: budgets, and conversions timed here with weights not yet trained."""
    conversions = config.pairs * KINDS * (len(config.splits) + 1)
    tone = np.sin(np.arange(round(TRIED_S * rate)) * (2 * np.pi * 220 / rate)).astype(np.float32)
    total = config.minutes * len(runs)
    say(f"{len(runs)} systems, {config.minutes:g} min of training each: {total:g} min")
    for name, run in runs.items():
        system = build(run.system, run.model, Format(rate, 5.0, ("one",)), run.seed).to(device())
        codec = Codec(system, name)
        codec.convert(tone[: rate // 2], tone[: rate // 2])
        clock = time.monotonic()
        codec.convert(tone, tone)
        seconds = time.monotonic() - clock
        total += seconds * conversions / 60.0
        size = sum(parameter.numel() for parameter in system.parameters()) / 1e6
        say(
            f"{name}: {size:.1f} M parameters; {conversions} conversions at {seconds:.2f} s (timed now, one"
            f" after the other): {seconds * conversions / 60.0:.0f} min"
        )
    say(f"estimate: {total / 60.0:.1f} h on {device().type}, and what metrics and rendering take")


def train_all(
    config: CompareConfig, runs: Mapping[str, RunConfig], data: Path, out: Path, fit: Fit, say: Say
) -> None:
    """Trains every system in turn; runs that were begun are gone on with."""
    tables = Tables.open(data)
    # Before hours of training: pairs that are not there are refused now.
    choose_pairs(tables.layout, config.splits, config.pairs, config.seed, say)
    estimate(config, runs, tables.rate, say)
    for name, run in runs.items():
        path = out / "configs" / f"{name}.yaml"
        files.replace(path, as_yaml(run))
        say(f"{name}: training for {config.minutes:g} min at most")
        fit(path, str(data), out / "runs" / name)


def score_and_show(
    config: CompareConfig,
    names: Sequence[str],
    data: Path,
    out: Path,
    say: Say,
    tracking: Tracking,
    workers: int | None = None,
) -> Path:
    """Scores the trained systems, writes the tables and the page; returns the table."""
    tables = Tables.open(data)
    chosen = choose_pairs(tables.layout, config.splits, config.pairs, config.seed, lambda _: None)
    checkpoints = {name: out / "runs" / name / "best.safetensors" for name in names}
    codecs = {name: load_codec(path) for name, path in checkpoints.items()}
    for codec in codecs.values():
        codec.system.to(device())
        check_rate(codec.rate, tables)
    plan = with_extras(chosen, robustness=False)
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
    clock = Clock()
    summaries = {}
    for rate in sorted({tables.rate, *(codec.own_rate for codec in codecs.values())}, reverse=True):
        some = plan if rate == tables.rate else first
        where = out / ("scores" if rate == tables.rate else f"scores-{rate}")
        jobs = compared_trials(tables, some, codecs, rate, clock if rate == tables.rate else None)
        asked = {
            "rate": rate,
            "pairs": {
                split: [(p.kind, p.source, p.reference) for p in pairs] for split, pairs in some.items()
            },
        }
        total = sum(len(pairs) for pairs in some.values())
        with tracking(f"scoring at {rate} Hz", "pairs") as track:
            summaries[rate] = score_all(
                jobs, total, config.seed, {**about, "rate": rate}, asked, where, track, workers, False
            )
    trained = {name: _trained(codecs[name], path, clock, name) for name, path in checkpoints.items()}
    table = out / "comparison.md"
    files.replace(table, comparison(config, trained, summaries, tables.rate).encode())
    with tracking("drawing the page", "clips") as track:
        make_page(
            codecs, checkpoints, data, config.splits, config.page_pairs, config.seed, out / "scores",
            out / "page.html", say, track,
        )  # fmt: skip
    return table


def _trained(codec: Codec, checkpoint: Path, clock: Clock, name: str) -> Trained:
    metadata = read_metadata(checkpoint)
    times = clock.real_time_factors().get(name)
    return Trained(
        system=codec.system.name,
        parameters=sum(parameter.numel() for parameter in codec.system.parameters()),
        steps=int(metadata["step"]),
        own_rate=codec.own_rate,
        real_time_factor=times["real_time_factor"] if times else None,
    )
