"""Trains and scores a variant, stores its results and formats all results as Markdown tables."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.ablated.code_probes import probe_codes
from benchmarks.ablated.config import AblatedConfig
from benchmarks.ablated.scoring import (
    Convert,
    Scores,
    Trial,
    convert_from_recordings,
    draw_trials,
    score_trials,
)
from benchmarks.ablated.system import AblatedCodec
from benchmarks.ablated.variants import BASELINE, SPLITS, TABLES, VARIANTS, Row, config_of
from manifests.dataset import files
from train.checkpoint import load_system
from train.config import parse_config
from train.data.tables import Tables
from train.fitting.loop import fit
from train.systems import SYSTEMS
from train.systems.base import System

SYSTEMS[AblatedCodec.name] = (AblatedConfig, AblatedCodec)

Result = dict[str, Any]
"""The content of a run's `scores.json`."""


@lru_cache(maxsize=1)
def cached_trials(data: Path, pairs: int) -> list[Trial]:
    """Draws the trials of all splits once."""
    return draw_trials(Tables.open(data), SPLITS, pairs)


def train_and_score(name: str, seed: int, out: Path, data: Path, steps: int, pairs: int) -> Path:
    """Trains and scores a variant, and writes `scores.json` to its folder in `out`. Existing results are
    kept.

    Returns the file. Raises SystemExit if a signal stopped training; called again, training resumes.
    """
    variant = VARIANTS[name]
    folder = out / f"{name.replace(' ', '-').replace(',', '')}-{seed}"
    path = folder / "scores.json"
    if path.exists():
        return path
    start = time.process_time()
    outcome = fit(parse_config(config_of(variant, steps, seed), name), data, folder / "run")
    if outcome.signal:
        raise SystemExit(128 + outcome.signal)
    train_cpu_s = time.process_time() - start
    system = load_system(folder / "run" / "last.safetensors")[0]
    trials = cached_trials(data, pairs)
    result: Result = {
        "variant": name, "seed": seed, "steps": steps, "pairs": pairs, "train_cpu_s": round(train_cpu_s, 1),
        "parameters": count_parameters(system.parameter_groups()["codec"]),
        "losses": outcome.losses, "scores": score_system(system, name, trials),
    }  # fmt: skip
    if isinstance(system, AblatedCodec) and system.coder is not None:
        result["code_perplexity"] = code_perplexity(system, trials)
        result["code_probes"] = probe_codes(system, Tables.open(data))
    result["cpu_s"] = round(time.process_time() - start, 1)
    files.replace(path, f"{json.dumps(result)}\n".encode())
    return path


@torch.no_grad()
def score_system(system: System, name: str, trials: list[Trial]) -> dict[str, Scores]:
    """Scores a system under the conditions that apply to it.

    - `ground_truth`: notes and envelope are given.
    - `estimated_envelope`: notes are given; only the variant without changes is scored so.
    - `recordings`: notes and envelope are estimated; only the codec itself can do that.
    """
    conditions: dict[str, Convert] = {}
    if isinstance(system, AblatedCodec):
        conditions["ground_truth"] = partial(system.convert_with_true_notes, estimate_envelope=False)
        if name == BASELINE:
            conditions["estimated_envelope"] = partial(system.convert_with_true_notes, estimate_envelope=True)
    else:
        conditions["recordings"] = convert_from_recordings(system)
    return {condition: score_trials(convert, trials) for condition, convert in conditions.items()}


@torch.no_grad()
def code_perplexity(system: AblatedCodec, trials: list[Trial]) -> float:
    """Computes the perplexity of the codes in the trials' sources:

    the number of codes in use, if used equally.
    """
    counts = np.zeros(system.config.codes)
    for trial in trials:
        batch = system.collate([trial.example], {})
        codes = system.analyse(batch).codes
        assert codes is not None
        counts += np.bincount(codes.index_BG.flatten().numpy(), minlength=len(counts))
    share = counts[counts > 0] / counts.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def count_parameters(parameters: Iterable[nn.Parameter]) -> int:
    """Returns how many numbers the parameters have."""
    return sum(parameter.numel() for parameter in parameters)


def read_results(out: Path) -> dict[str, list[Result]]:
    """Reads all results in a folder: by variant, in the order of their seeds."""
    results: dict[str, list[Result]] = {}
    for path in sorted(out.glob("*/scores.json")):
        result = json.loads(path.read_text())
        results.setdefault(result["variant"], []).append(result)
    return results


def score_array(result: Result, condition: str, split: str) -> np.ndarray:
    """Returns a run's scores on a split: float [kinds, pairs, metrics]."""
    return np.array(list(result["scores"][condition][split].values()))


def format_cell(results: list[Result], condition: str, split: str) -> str:
    """Formats the mean of both metrics over pairs, kinds and seeds, with half the range over seeds."""
    means = np.array([score_array(result, condition, split).mean((0, 1)) for result in results])
    half_range = (means.max(0) - means.min(0)) / 2.0
    mean = means.mean(0)
    if len(results) == 1:
        return f"{mean[0]:.2f} / {mean[1]:.2f}"
    return f"{mean[0]:.2f} ±{half_range[0]:.2f} / {mean[1]:.2f} ±{half_range[1]:.2f}"


def format_difference(row: Row, first: Row, results: dict[str, list[Result]], split: str) -> str:
    """Formats the difference in MSTFT to the first row, pair by pair, with its standard error over pairs.

    Only seeds that both rows have count. Positive means worse. Returns "" if they share no seed.
    """
    by_seed = [{result["seed"]: result for result in results[r.variant]} for r in (row, first)]
    shared = sorted(by_seed[0].keys() & by_seed[1].keys())
    if not shared:
        return ""
    own, reference = (
        np.mean([score_array(of_row[seed], r.condition, split)[..., 0] for seed in shared], axis=0).flatten()
        for of_row, r in zip(by_seed, (row, first), strict=True)
    )
    difference = own - reference
    return f"{difference.mean():+.2f} ±{difference.std(ddof=1) / np.sqrt(len(difference)):.2f}"


def format_tables(out: Path) -> str:
    """Formats each of `TABLES` whose first row and one more have results, and the table of codes."""
    results, lines = read_results(out), []
    for title, rows in TABLES.items():
        available = [
            row for row in rows
            if row.variant in results and row.condition in results[row.variant][0]["scores"]
        ]  # fmt: skip
        if rows[0] not in available or len(available) < 2:
            continue
        lines += [
            f"### {title}", "",
            f"| | seeds | {' | '.join(SPLITS)} | {SPLITS[-1]}, difference to the first row |",
            "|---|---|" + "---|" * (len(SPLITS) + 1),
        ]  # fmt: skip
        for row in available:
            of_row = results[row.variant]
            cells = [format_cell(of_row, row.condition, split) for split in SPLITS]
            difference = "" if row is rows[0] else format_difference(row, rows[0], results, SPLITS[-1])
            lines.append(f"| {row.title} | {len(of_row)} | {' | '.join(cells)} | {difference} |")
        lines.append("")
    return "\n".join(lines + format_code_probes(results))


def format_code_probes(results: dict[str, list[Result]]) -> list[str]:
    """Formats the perplexity of codes and what they reveal as lines of a table; none if no run has codes."""
    with_codes = [
        result for of_variant in results.values() for result in of_variant if "code_probes" in result
    ]
    if not with_codes:
        return []
    factors = list(with_codes[0]["code_probes"])
    lines = [
        "### What the codes reveal", "",
        f"| | seed | codes in use | {' | '.join(factors)} |", "|---|---|---|" + "---|" * len(factors),
    ]  # fmt: skip
    for result in with_codes:
        cells = [
            "{codes:.2f} ({log-mel:.2f}; {chance:.2f})".format(**result["code_probes"][factor])
            for factor in factors
        ]
        used = f"{result['code_perplexity']:.0f}"
        lines.append(f"| {result['variant']} | {result['seed']} | {used} | {' | '.join(cells)} |")
    return lines
