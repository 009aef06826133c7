"""Training and judging one variant, what is kept of it, and the tables made from that."""

from __future__ import annotations

import json
import time
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.ablated.config import AblatedConfig
from benchmarks.ablated.judging import Convert, Scores, Trial, by_recordings, scores_of, trials_of
from benchmarks.ablated.leaks import leaks_of
from benchmarks.ablated.system import Ablated
from benchmarks.ablated.variants import OURS, QUESTIONS, SPLITS, VARIANTS, Row, config_of
from manifests.dataset import files
from train.checkpoint import load_system
from train.config import parse_config
from train.data.tables import Tables
from train.fitting.loop import fit
from train.systems import SYSTEMS

SYSTEMS[Ablated.name] = (AblatedConfig, Ablated)


@lru_cache(maxsize=1)
def trials(data: Path, pairs: int) -> list[Trial]:
    return trials_of(Tables.open(data), SPLITS, pairs)


def train_and_judge(name: str, seed: int, out: Path, data: Path, steps: int, pairs: int) -> Path:
    """A variant's run and its scores, in a file; what is there is not made again."""
    variant = VARIANTS[name]
    folder = out / f"{name.replace(' ', '-').replace(',', '')}-{seed}"
    path = folder / "scores.json"
    if path.exists():
        return path
    begun = time.process_time()
    outcome = fit(parse_config(config_of(variant, steps, seed), name), data, folder / "run")
    if outcome.signal:
        # What is half trained is not judged; called again, the run goes on.
        raise SystemExit(128 + outcome.signal)
    trained = time.process_time() - begun
    system = load_system(folder / "run" / "last.safetensors")[0]
    kept: dict[str, Any] = {
        "variant": name, "seed": seed, "steps": steps, "pairs": pairs, "train_cpu_s": round(trained, 1),
        "parameters": count(system.parameter_groups()["codec"]),
        "losses": outcome.losses, "scores": judged(system, name, trials(data, pairs)),
    }  # fmt: skip
    if isinstance(system, Ablated) and system.coder is not None:
        kept["codes"] = perplexity(system, trials(data, pairs))
        kept["codes_tell"] = leaks_of(system, Tables.open(data))
    kept["cpu_s"] = round(time.process_time() - begun, 1)
    files.replace(path, f"{json.dumps(kept)}\n".encode())
    return path


@torch.no_grad()
def judged(system: Any, name: str, some: list[Trial]) -> dict[str, Scores]:
    """Scores by how it was judged: notes and envelope `given`, the envelope heard `by ear`, `recordings`."""
    ways: dict[str, Convert] = {}
    if isinstance(system, Ablated):
        ways["given"] = partial(system.sing, by_ear=False)
        if name == OURS:
            ways["by ear"] = partial(system.sing, by_ear=True)
    else:
        ways["recordings"] = by_recordings(system)
    return {way: scores_of(convert, some) for way, convert in ways.items()}


@torch.no_grad()
def perplexity(system: Ablated, some: list[Trial]) -> float:
    """How many codes are used, evenly counted, in the trials' sources."""
    counts = np.zeros(system.config.codes)
    for trial in some:
        batch = system.collate([trial.example], {})
        coded = system.hear(batch).coded
        assert coded is not None
        counts += np.bincount(coded.number_BG.flatten().numpy(), minlength=len(counts))
    share = counts[counts > 0] / counts.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def count(parameters: Any) -> int:
    return sum(parameter.numel() for parameter in parameters)


def read(out: Path) -> dict[str, list[dict[str, Any]]]:
    """All results in a folder, by variant, in the order of their seeds."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(out.glob("*/scores.json")):
        kept = json.loads(path.read_text())
        found.setdefault(kept["variant"], []).append(kept)
    return found


def values(kept: dict[str, Any], how: str, split: str) -> np.ndarray:
    """Scores [kinds, pairs, metrics] of a run on a split."""
    return np.array(list(kept["scores"][how][split].values()))


def cell(runs: list[dict[str, Any]], how: str, split: str) -> str:
    """Mean over pairs, kinds and seeds, and how far seeds are from it."""
    means = np.array([values(kept, how, split).mean((0, 1)) for kept in runs])
    spread = (means.max(0) - means.min(0)) / 2.0
    middle = means.mean(0)
    if len(runs) == 1:
        return f"{middle[0]:.2f} / {middle[1]:.2f}"
    return f"{middle[0]:.2f} ±{spread[0]:.2f} / {middle[1]:.2f} ±{spread[1]:.2f}"


def against(row: Row, first: Row, found: dict[str, list[dict[str, Any]]], split: str) -> str:
    """How much worse (+) than the first row, MSTFT by pairs over the seeds that both have, and its standard
    error over pairs."""
    runs = [{kept["seed"]: kept for kept in found[r.variant]} for r in (row, first)]
    shared = sorted(runs[0].keys() & runs[1].keys())
    if not shared:
        return ""
    ours, theirs = (
        np.mean([values(some[seed], r.how, split)[..., 0] for seed in shared], axis=0).flatten()
        for some, r in zip(runs, (row, first), strict=True)
    )
    difference = ours - theirs
    return f"{difference.mean():+.2f} ±{difference.std(ddof=1) / np.sqrt(len(difference)):.2f}"


def tables(out: Path) -> str:
    """A table a question, as far as results are there."""
    found, lines = read(out), []
    for question, rows in QUESTIONS.items():
        there = [row for row in rows if row.variant in found and row.how in found[row.variant][0]["scores"]]
        if rows[0] not in there or len(there) < 2:
            continue
        lines += [
            f"### {question}", "",
            f"| | seeds | {' | '.join(SPLITS)} | {SPLITS[-1]}, against the first |",
            "|---|---|" + "---|" * (len(SPLITS) + 1),
        ]  # fmt: skip
        for row in there:
            runs = found[row.variant]
            cells = [cell(runs, row.how, split) for split in SPLITS]
            worse = "" if row is rows[0] else against(row, rows[0], found, SPLITS[-1])
            lines.append(f"| {row.title} | {len(runs)} | {' | '.join(cells)} | {worse} |")
        lines.append("")
    return "\n".join(lines + told_by_codes(found))


def told_by_codes(found: dict[str, list[dict[str, Any]]]) -> list[str]:
    """What codes give away, and how many are in use, as a table."""
    runs = [kept for some in found.values() for kept in some if "codes_tell" in kept]
    if not runs:
        return []
    factors = list(runs[0]["codes_tell"])
    lines = [
        "### What codes tell", "",
        f"| | seed | codes in use | {' | '.join(factors)} |", "|---|---|---|" + "---|" * len(factors),
    ]  # fmt: skip
    for kept in runs:
        cells = [
            "{codes:.2f} ({log-mel:.2f}; {chance:.2f})".format(**kept["codes_tell"][factor])
            for factor in factors
        ]
        lines.append(f"| {kept['variant']} | {kept['seed']} | {kept['codes']:.0f} | {' | '.join(cells)} |")
    return lines
