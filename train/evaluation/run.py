"""One evaluation from inputs to files: `scores.parquet`, `summary.json`, and the reports."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from manifests.dataset import files
from manifests.dataset.bank import Bank
from manifests.dataset.canonical import sha256_file
from manifests.dataset.layout import Layout
from manifests.types import SPLITS, InputError
from train.data.pairs import KINDS, Pair, draw_pairs, possible_pairs
from train.data.tables import Tables, readable_blocks, split_blocks
from train.evaluation.effects import EFFECTS, ROBUST
from train.evaluation.pairs import ConversionTimer, Converter, dataset_trials, reconstruction_pairs
from train.evaluation.report import write_reports
from train.evaluation.scoring import JOURNAL_FILE, Journal, score_trials
from train.evaluation.seeds import (
    SeedGroups,
    add_seed_means,
    group_by_training,
    one_seed_heading,
    seed_groups,
)
from train.evaluation.summary import scores_parquet, summarise_scores, to_frame
from train.evaluation.targets import count_targets
from train.evaluation.trial import Trial
from train.metrics.catalogue import COLUMNS

Say = Callable[[str], Any]
"""Called with a message for the user."""
ProgressStarter = Callable[[int], Callable[[], Any]]
"""Starts a progress bar: given the number of trials, returns what is called after each."""

VERSION = 4
"""Increased whenever a metric or baseline changes its values: no run is resumed across a change."""


def held_out_splits(layout: Layout | Bank) -> list[str]:
    """Returns the splits with rendered blocks, all but train, in the usual order."""
    rendered = {row["split"] for row in readable_blocks(layout)}
    return [split for split in SPLITS if split in rendered and split != "train"]


def choose_pairs(
    layout: Layout | Bank, splits: Sequence[str], count: int, seed: int, say: Say
) -> dict[str, list[Pair]]:
    """Draws pairs for each split; a split that holds fewer gives all it has.

    Args:
        layout: The dataset.
        splits: The splits; if empty, all that are held out.
        count: Pairs of each kind in each split.
        seed: Seed of the choice.
        say: Called with a message about each split that holds fewer pairs, or none.

    Raises:
        InputError: If a split has no rendered blocks, `count` is below 1, or no split has pairs.
    """
    if count < 1:
        raise InputError(f"{count} pairs of each kind: expected at least 1")
    rendered = held_out_splits(layout)
    chosen: dict[str, list[Pair]] = {}
    for split in splits or rendered:
        if split not in (*rendered, "train"):
            raise InputError(
                f"{layout.root}: no rendered blocks of split {split!r}; rendered:"
                f" {', '.join(rendered) or 'none'}"
            )
        available = sum(possible_pairs(block) for block in split_blocks(layout, split))
        if not available:
            say(f"{split}: left out, none of its blocks has two ids on every axis to make a pair of")
            continue
        if available < count:
            say(f"{split}: holds {available} pairs of each kind, fewer than {count}; all are scored")
        drawn = min(count, available)
        chosen[split] = [pair for kind in KINDS for pair in draw_pairs(layout, split, kind, drawn, seed)]
    if not chosen:
        raise InputError(f"{layout.root}: no split to score; render validation or a test split")
    return chosen


def scoring_plan(chosen: Mapping[str, Sequence[Pair]], robustness: bool) -> dict[str, Sequence[Pair]]:
    """Adds reconstructions of the targets, and with `robustness` the first split under each effect."""
    plan: dict[str, Sequence[Pair]] = {}
    for split, pairs in chosen.items():
        plan[split] = [*pairs, *reconstruction_pairs(pairs)]
    if robustness:
        first = next(iter(chosen.values()))
        for effect in EFFECTS:
            plan[f"{ROBUST}{effect}"] = first
    return plan


def check_rate(rate: int, tables: Tables) -> None:
    """Checks that a codec has the dataset's sample rate (Hz); InputError if not."""
    if rate != tables.rate:
        raise InputError(
            f"{tables.layout.root}: clips at {tables.rate} Hz, the checkpoint converts {rate} Hz;"
            " take a checkpoint trained on such clips"
        )


def describe_checkpoints(checkpoints: Mapping[str, Path]) -> tuple[dict[str, Any], SeedGroups]:
    """Returns what a summary says of checkpoints, with their digests, and the means over seeds among them.

    Raises:
        InputError: If a checkpoint cannot be read, or does not state its config.
    """
    groups = group_by_training(checkpoints)
    about = {
        "heading": one_seed_heading(groups),
        "checkpoints": {
            name: {"file": path.name, "sha256": sha256_file(path)} for name, path in checkpoints.items()
        },
        "seeds": {name: seed for group in groups for name, seed in group.items()},
    }
    return about, seed_groups(groups)


def write_timings(timer: ConversionTimer, out: Path) -> None:
    """Writes the speed of conversion into `timings.json`: it differs from run to run."""
    timings = json.dumps(timer.real_time_factors(), indent=1)
    files.replace(out / "timings.json", f"{timings}\n".encode())


def evaluate_checkpoints(
    codecs: Mapping[str, Converter],
    checkpoints: Mapping[str, Path],
    data: Path,
    splits: Sequence[str],
    count: int,
    seed: int,
    out: Path,
    say: Say,
    track: ProgressStarter,
    workers: int | None = None,
    robustness: bool = False,
    retake: Path | None = None,
    crepe: bool = False,
) -> dict[str, Any]:
    """Scores checkpoints on held-out pairs of a dataset, and writes all files.

    The speed of conversion goes into `timings.json`, since it differs from run to run; the scores do not.

    Args:
        codecs: The codecs by name.
        checkpoints: The checkpoint of each codec.
        data: The dataset's folder.
        splits: The splits to score; if empty, all that are held out.
        count: Pairs of each kind in each split.
        seed: Seed of pairs and intervals.
        out: Folder of the files.
        say: Called with a message for the user.
        track: Starts a progress bar.
        workers: Conversions and scores that are computed at a time; by default all cores.
        robustness: Whether to score the first split under each effect, too.
        retake: The same dataset from another take of its tones, for a topline.
        crepe: Whether to compute F0RMSE, too.

    Returns:
        The summary, as in `summary.json`.

    Raises:
        InputError: If a dataset, checkpoint or split cannot be used, or the sample rates differ.
    """
    tables = Tables.open(data)
    for codec in codecs.values():
        check_rate(codec.rate, tables)
    layout, metadata = tables.layout, tables.layout.metadata()
    plan = scoring_plan(choose_pairs(layout, splits, count, seed, say), robustness)
    retaken = Tables.open(retake).layout if retake else None
    timer = ConversionTimer()
    trials = chain.from_iterable(
        dataset_trials(tables, split, pairs, codecs, timer, retaken, toplines=True)
        for split, pairs in plan.items()
    )
    stated, pools = describe_checkpoints(checkpoints)
    about = {
        **stated,
        "dataset": metadata.get("name"),
        "fingerprint": metadata.get("fingerprint"),
        "pairs_per_kind": count,
    }
    if retaken is not None:
        about["another_take"] = retaken.metadata().get("fingerprint")
    request = {
        "splits": {split: [(p.kind, p.source, p.reference) for p in pairs] for split, pairs in plan.items()}
    }
    total = sum(len(pairs) for pairs in plan.values())
    summary = score_all(trials, total, seed, about, request, out, track, workers, crepe, pools)
    write_timings(timer, out)
    return summary


def score_all(
    trials: Iterable[Callable[[], Trial]],
    total: int,
    seed: int,
    about: dict[str, Any],
    request: dict[str, Any],
    out: Path,
    track: ProgressStarter,
    workers: int | None,
    crepe: bool,
    pools: SeedGroups | None = None,
) -> dict[str, Any]:
    """Scores trials, summarises the scores, writes all files, and returns the summary.

    Args:
        trials: Jobs that make the trials.
        total: Their number.
        seed: Seed of the intervals.
        about: What the summary says of the run.
        request: What tells this run from others, beside `about`: only an equal run is resumed.
        out: Folder of the files.
        track: Starts a progress bar.
        workers: Trials that are computed at a time; by default all cores.
        crepe: Whether to compute F0RMSE, too.
        pools: Means over seeds to add.

    Raises:
        InputError: Names a sound that cannot be read or scored.
    """
    identity = json.loads(json.dumps({"version": VERSION, "crepe": crepe, **about, **request}))
    journal = Journal(out / JOURNAL_FILE, identity)
    rows = score_trials(trials, track(total), workers, journal, total, crepe)
    frame = to_frame(add_seed_means(rows, pools or {}))
    scored = set(frame["metric"])
    metrics = [
        {"name": c.name, "title": c.title, "unit": c.unit, "higher": c.higher}
        for c in COLUMNS
        if c.name in scored
    ]
    summary = {**about, **count_targets(frame), "seed": seed, "metrics": metrics}
    summary |= summarise_scores(frame, seed, pools=pools)
    files.replace(out / "scores.parquet", scores_parquet(frame))
    text = json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False)
    files.replace(out / "summary.json", f"{text}\n".encode())
    write_reports(summary, out)
    journal.remove()
    return summary
