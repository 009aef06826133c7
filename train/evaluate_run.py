"""One evaluation from its inputs to its two files, `scores.parquet` and `summary.json`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from manifests import files
from manifests.bank import Bank
from manifests.canonical import sha256_file
from manifests.layout import Layout
from manifests.vocabulary import SPLITS, BadInput
from train.data.pairs import KINDS, Pair, draw_pairs, possible_pairs
from train.data.tables import Tables, split_blocks
from train.evaluate import Converter, Job, dataset_trials, score_trials
from train.evaluate_files import file_trials, pairs_of, read_rows
from train.evaluate_summary import scores_bytes, summarise_scores, to_frame
from train.metrics import METRICS

Say = Callable[[str], Any]
Track = Callable[[int], Callable[[], Any]]
"""Given how many trials there are, returns what to call after each."""


def held_out_splits(layout: Layout) -> list[str]:
    """The splits with rendered blocks, all but train, in the usual order."""
    blocks = layout.read("blocks").select(["split", "offset"]).to_pylist()
    there = {row["split"] for row in blocks if row["offset"] is not None or isinstance(layout, Bank)}
    return [split for split in SPLITS if split in there and split != "train"]


def choose_pairs(
    layout: Layout, splits: Sequence[str], count: int, seed: int, say: Say
) -> dict[str, list[Pair]]:
    """`count` pairs of each kind for each split; where a split holds fewer, all it has, and says so."""
    if count < 1:
        raise BadInput(f"--pairs {count}: expected at least 1")
    there = held_out_splits(layout)
    chosen: dict[str, list[Pair]] = {}
    for split in splits or there:
        if split not in (*there, "train"):
            raise BadInput(
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
        raise BadInput(f"{layout.root}: no split to score; render validation or a test split")
    return chosen


def check_rate(rate: int, tables: Tables) -> None:
    """Refuses a codec of another sample rate than the dataset's."""
    if rate != tables.rate:
        raise BadInput(
            f"{tables.layout.root}: clips at {tables.rate} Hz, the checkpoint converts {rate} Hz;"
            " take a checkpoint trained on such clips"
        )


def evaluate_checkpoint(
    codec: Converter,
    checkpoint: Path,
    data: Path,
    splits: Sequence[str],
    count: int,
    seed: int,
    out: Path,
    say: Say,
    track: Track,
    workers: int | None = None,
) -> dict[str, Any]:
    """Scores a checkpoint on `count` pairs a kind of each split; returns the summary, both files written."""
    tables = Tables.open(data)
    check_rate(codec.rate, tables)
    layout, metadata = tables.layout, tables.layout.metadata()
    chosen = choose_pairs(layout, splits, count, seed, say)
    trials: Iterator[Job] = chain.from_iterable(
        dataset_trials(layout, split, pairs, codec) for split, pairs in chosen.items()
    )
    about = {
        "checkpoint": checkpoint.name,
        "checkpoint_sha256": sha256_file(checkpoint),
        "dataset": metadata.get("name"),
        "fingerprint": metadata.get("fingerprint"),
        "pairs_per_kind": count,
    }
    total = sum(len(pairs) for pairs in chosen.values())
    return _score(trials, total, seed, about, out, track, workers)


def evaluate_files(
    table: Path, seed: int, out: Path, track: Track, workers: int | None = None
) -> dict[str, Any]:
    """Scores the estimates that a CSV names; returns the summary, both files written."""
    pairs = pairs_of(read_rows(table))
    about = {"files": table.name, "files_sha256": sha256_file(table)}
    return _score(file_trials(table, pairs), len(pairs), seed, about, out, track, workers)


def _score(
    trials: Iterable[Job],
    total: int,
    seed: int,
    about: dict[str, Any],
    out: Path,
    track: Track,
    workers: int | None,
) -> dict[str, Any]:
    frame = to_frame(score_trials(trials, track(total), workers))
    metrics = [{"name": m.name, "title": m.title, "floor": m.floor} for m in METRICS]
    summary = {**about, "seed": seed, "metrics": metrics, **summarise_scores(frame, seed)}
    files.replace(out / "scores.parquet", scores_bytes(frame))
    text = json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False)
    files.replace(out / "summary.json", f"{text}\n".encode())
    return summary
