"""One evaluation from its inputs to its files: `scores.parquet`, `summary.json`, and the reports."""

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
from train.audio.files import check_audio
from train.data.pairs import KINDS, Pair, draw_pairs, possible_pairs
from train.data.tables import Tables, readable_blocks, split_blocks
from train.evaluation.effects import EFFECTS, ROBUST
from train.evaluation.files import Row, file_trials, pairs_of, read_rows, scan_folder
from train.evaluation.pairs import Clock, Converter, dataset_trials, reconstructions
from train.evaluation.report import write_reports
from train.evaluation.scoring import PROGRESS, Journal, score_trials
from train.evaluation.seeds import Pools, heading_of, pools_of, trainings, with_means
from train.evaluation.summary import scores_bytes, summarise_scores, to_frame
from train.evaluation.trial import Trial
from train.metrics.catalogue import COLUMNS

Say = Callable[[str], Any]
Track = Callable[[int], Callable[[], Any]]
"""Given how many trials there are, returns what to call after each."""

VERSION = 2
"""Raised whenever a metric or baseline changes what it says, so that no run is resumed across it."""


def held_out_splits(layout: Layout | Bank) -> list[str]:
    """The splits with rendered blocks, all but train, in the usual order."""
    there = {row["split"] for row in readable_blocks(layout)}
    return [split for split in SPLITS if split in there and split != "train"]


def choose_pairs(
    layout: Layout | Bank, splits: Sequence[str], count: int, seed: int, say: Say
) -> dict[str, list[Pair]]:
    """`count` pairs of each kind for each split; where a split holds fewer, all it has, and says so."""
    if count < 1:
        raise InputError(f"{count} pairs of each kind: expected at least 1")
    there = held_out_splits(layout)
    chosen: dict[str, list[Pair]] = {}
    for split in splits or there:
        if split not in (*there, "train"):
            raise InputError(
                f"{layout.root}: no rendered blocks of split {split!r}; it has {', '.join(there) or 'none'}"
            )
        available = sum(possible_pairs(block) for block in split_blocks(layout, split))
        if not available:
            say(f"{split}: left out, none of its blocks has two ids on every axis to make a pair of")
            continue
        if available < count:
            say(f"{split}: holds {available} pairs of each kind, {count} were asked for; all are scored")
        some = min(count, available)
        chosen[split] = [pair for kind in KINDS for pair in draw_pairs(layout, split, kind, some, seed)]
    if not chosen:
        raise InputError(f"{layout.root}: no split to score; render validation or a test split")
    return chosen


def with_extras(chosen: Mapping[str, Sequence[Pair]], robustness: bool) -> dict[str, Sequence[Pair]]:
    """The pairs with reconstructions of each split's targets, and the first split under each effect."""
    plan: dict[str, Sequence[Pair]] = {}
    for split, pairs in chosen.items():
        plan[split] = [*pairs, *reconstructions(pairs)]
    if robustness:
        first = next(iter(chosen.values()))
        for effect in EFFECTS:
            plan[f"{ROBUST}{effect}"] = first
    return plan


def check_rate(rate: int, tables: Tables) -> None:
    """Refuses a codec of another sample rate than the dataset's."""
    if rate != tables.rate:
        raise InputError(
            f"{tables.layout.root}: clips at {tables.rate} Hz, the checkpoint converts {rate} Hz;"
            " take a checkpoint trained on such clips"
        )


def evaluate_checkpoints(
    codecs: Mapping[str, Converter],
    checkpoints: Mapping[str, Path],
    data: Path,
    splits: Sequence[str],
    count: int,
    seed: int,
    out: Path,
    say: Say,
    track: Track,
    workers: int | None = None,
    robustness: bool = False,
    retake: Path | None = None,
    crepe: bool = False,
) -> dict[str, Any]:
    """Scores checkpoints on `count` pairs a kind of each split; returns the summary, all files written.

    How fast they converted is in `timings.json`: it differs from run to run, the scores do not.
    """
    tables = Tables.open(data)
    for codec in codecs.values():
        check_rate(codec.rate, tables)
    layout, metadata = tables.layout, tables.layout.metadata()
    plan = with_extras(choose_pairs(layout, splits, count, seed, say), robustness)
    other = Tables.open(retake).layout if retake else None
    clock = Clock()
    trials = chain.from_iterable(
        dataset_trials(tables, split, pairs, codecs, clock, other, toplines=True)
        for split, pairs in plan.items()
    )
    groups = trainings(checkpoints)
    about = {
        "heading": heading_of(groups),
        "checkpoints": {
            name: {"file": path.name, "sha256": sha256_file(path)} for name, path in checkpoints.items()
        },
        "dataset": metadata.get("name"),
        "fingerprint": metadata.get("fingerprint"),
        "pairs_per_kind": count,
        "seeds": {name: seed for group in groups for name, seed in group.items()},
    }
    if other is not None:
        about["another_take"] = other.metadata().get("fingerprint")
    asked = {
        "splits": {split: [(p.kind, p.source, p.reference) for p in some] for split, some in plan.items()}
    }
    total = sum(len(pairs) for pairs in plan.values())
    summary = score_all(trials, total, seed, about, asked, out, track, workers, crepe, pools_of(groups))
    timings = json.dumps(clock.real_time_factors(), indent=1)
    files.replace(out / "timings.json", f"{timings}\n".encode())
    return summary


def evaluate_files(
    table: Path, seed: int, out: Path, track: Track, workers: int | None = None, crepe: bool = False
) -> dict[str, Any]:
    """Scores the estimates that a CSV names; returns the summary, all files written."""
    about = {"files": table.name, "files_sha256": sha256_file(table) if table.is_file() else ""}
    return _evaluate_rows(read_rows(table), table.parent, about, seed, out, track, workers, crepe)


def evaluate_folder(
    folder: Path,
    pattern: str,
    roles: Mapping[str, str],
    seed: int,
    out: Path,
    say: Say,
    track: Track,
    workers: int | None = None,
    crepe: bool = False,
) -> dict[str, Any]:
    """Scores the estimates that a folder's file names tell apart; returns the summary, all files written."""
    rows, said = scan_folder(folder, pattern, roles)
    for line in said:
        say(line)
    about = {"folder": folder.resolve().name, "pattern": pattern}
    return _evaluate_rows(rows, folder, about, seed, out, track, workers, crepe)


def _evaluate_rows(
    rows: Sequence[Row],
    folder: Path,
    about: dict[str, Any],
    seed: int,
    out: Path,
    track: Track,
    workers: int | None,
    crepe: bool,
) -> dict[str, Any]:
    pairs = pairs_of(rows)
    names = sorted({row[column] for row in rows for column in ("source", "reference", "target", "estimate")})
    for name in filter(None, names):
        check_audio(folder / name)
    asked = {
        "rows": [dict(row) for row in rows],
        "files": {n: _stamp(folder / n) for n in names if n},
    }
    return score_all(file_trials(folder, pairs), len(pairs), seed, about, asked, out, track, workers, crepe)


def _stamp(path: Path) -> list[int]:
    """What changes when a file does: size and time of change."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def score_all(
    trials: Iterable[Callable[[], Trial]],
    total: int,
    seed: int,
    about: dict[str, Any],
    asked: dict[str, Any],
    out: Path,
    track: Track,
    workers: int | None,
    crepe: bool,
    pools: Pools | None = None,
) -> dict[str, Any]:
    """Scores, summarises and writes; `about` goes into the summary, with `asked` it tells this run apart."""
    identity = json.loads(json.dumps({"version": VERSION, "crepe": crepe, **about, **asked}))
    journal = Journal(out / PROGRESS, identity)
    rows = score_trials(trials, track(total), workers, journal, total, crepe)
    frame = to_frame(with_means(rows, pools or {}))
    scored = set(frame["metric"])
    metrics = [
        {"name": c.name, "title": c.title, "unit": c.unit, "higher": c.higher}
        for c in COLUMNS
        if c.name in scored
    ]
    summary = {**about, "seed": seed, "metrics": metrics, **summarise_scores(frame, seed, pools=pools)}
    files.replace(out / "scores.parquet", scores_bytes(frame))
    text = json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False)
    files.replace(out / "summary.json", f"{text}\n".encode())
    write_reports(summary, out)
    journal.remove()
    return summary
