"""The listening page: conversions to hear, see and compare, of a dataset or of any files."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from manifests.dataset import files
from manifests.dataset.canonical import sha256_file
from manifests.types import SPLITS, InputError
from train.checkpoint import read_weights
from train.data.pairs import Pair
from train.data.tables import Tables, readable_blocks
from train.evaluation.files import Row as FileRow
from train.evaluation.files import pairs_of
from train.evaluation.page.blind import write_blind
from train.evaluation.page.data import Beside, Inside, Shelf, row_data
from train.evaluation.page.files import gather_files
from train.evaluation.page.html import Facts, render
from train.evaluation.page.rows import Codec, Row, RowScores, ScoresByPair, gather
from train.evaluation.pairs import reconstructions
from train.evaluation.run import Say, Track, check_rate, choose_pairs, held_out_splits
from train.evaluation.summary import splits_of
from train.metrics.catalogue import HEADLINES

DEFAULT_SPLITS = ("validation", "test_unseen_all")

INSIDE = 24
"""A page of at most so many rows holds its sounds itself; a longer one has them beside it."""


def read_summary(folder: Path) -> dict[str, Any]:
    """The `summary.json` that evaluate wrote into `folder`; InputError if it is none."""
    path = folder / "summary.json" if folder.is_dir() else folder
    try:
        summary = json.loads(path.read_bytes())
        splits_of(summary)
        summary["differences"]
    except FileNotFoundError:
        raise InputError(f"{path}: no scores there; run `python -m train evaluate --out {folder}`") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: not a summary that `python -m train evaluate` wrote") from None
    loaded: dict[str, Any] = summary
    return loaded


def read_scores(folder: Path) -> ScoresByPair:
    """The scores and cases of each (split, pair) that evaluate wrote into `folder`, headline metrics only."""
    path = folder / "scores.parquet"
    if not path.is_file():
        return {}
    try:
        frame = pd.read_parquet(path)
        frame = frame[frame["metric"].isin(HEADLINES) & (frame["status"] == "scored")]
        known: dict[tuple[str, str], tuple[RowScores, tuple[str, ...]]] = {}
        for row in frame.itertuples(index=False):
            scores, _ = known.setdefault((row.split, row.pair), ({}, tuple(str(row.cases).split())))
            scores.setdefault(row.method, {})[row.metric] = float(row.value)
    except (OSError, ValueError, KeyError, AttributeError):
        raise InputError(f"{path}: not a table of scores that `python -m train evaluate` wrote") from None
    return known


def dataset_facts(tables: Tables) -> list[tuple[str, str]]:
    """What the dataset is, in (term, words)."""
    metadata = tables.layout.metadata()
    synths = pd.Series(tables.layout.read("timbres").column("synth").to_pylist()).value_counts(sort=False)
    clips: Counter[str] = Counter()
    for row in readable_blocks(tables.layout):
        clips[row["split"]] += row["clips"]
    total = clips.total()
    hours = total * tables.frames / tables.rate / 3600
    terms = [
        ("name", str(metadata.get("name", ""))),
        (
            "clips",
            f"{total:,} of {tables.frames / tables.rate:g} s at {tables.rate / 1000:g} kHz, {hours:.1f} h",
        ),
        ("timbres", ", ".join(f"{count} of {synth}" for synth, count in sorted(synths.items()))),
        ("envelopes, phrases", f"{len(tables.envelopes)}, {len(tables.phrases)}"),
    ]
    terms += [(split.replace("_", " "), f"{clips[split]:,} clips") for split in SPLITS if split in clips]
    fingerprint = str(metadata.get("fingerprint", ""))
    return [*terms, ("fingerprint", fingerprint[:16])]


def codec_facts(
    name: str, checkpoint: Path, tables: Tables, summary: dict[str, Any] | None
) -> list[tuple[str, str]]:
    """What the codec is, in (term, words), from its checkpoint."""
    weights, metadata = read_weights(checkpoint)
    count = sum(tensor.numel() for tensor in weights.values())
    same = metadata["fingerprint"] == tables.layout.metadata().get("fingerprint")
    terms = [
        ("system", metadata["system"]),
        ("size", f"{count / 1e6:.1f} million numbers, the discriminator's included"),
        ("trained for", f"{int(metadata['step']):,} steps"),
        (
            "trained on",
            "this dataset" if same else "another dataset: what is called unseen here is so for this one",
        ),
        ("checkpoint", f"{checkpoint.name}, SHA-256 {sha256_file(checkpoint)[:16]}"),
    ]
    scored = (summary or {}).get("checkpoints", {}).get(name, {}).get("sha256")
    if summary and scored not in (None, sha256_file(checkpoint)):
        terms.append(("scores", "of another checkpoint than the one heard here"))
    return terms


def make_page(
    codecs: Mapping[str, Codec],
    checkpoints: Mapping[str, Path],
    data: Path,
    splits: Sequence[str],
    pairs_per_kind: int,
    seed: int,
    scores: Path | None,
    out: Path,
    say: Say,
    track: Track,
    blind: bool = False,
) -> None:
    """Writes a page of a dataset's held-out pairs to `out`, whole or not at all. Same inputs, same bytes."""
    tables = Tables.open(data)
    for codec in codecs.values():
        check_rate(codec.rate, tables)
    summary = read_summary(scores) if scores else None
    known = None if blind else read_scores(scores) if scores else {}
    there = held_out_splits(tables.layout)
    wanted = list(splits) or [split for split in DEFAULT_SPLITS if split in there]
    pairs: dict[str, Sequence[Pair]] = dict(choose_pairs(tables.layout, wanted, pairs_per_kind, seed, say))
    first = next(iter(pairs))
    pairs[first] = [*pairs[first], *reconstructions(pairs[first])[:1]]
    total = sum(map(len, pairs.values())) + int(next(iter(codecs.values())).by_number)
    rows = ((row, tables.rate) for row in gather(tables, codecs, pairs, known, track(total)))
    systems = [
        (f"{name}: {term}" if len(checkpoints) > 1 else term, words)
        for name, path in checkpoints.items()
        for term, words in codec_facts(name, path, tables, summary)
    ]
    drawn = f"The pairs were drawn by seed {seed}, not chosen by ear."
    facts = Facts(dataset_facts(tables), systems, [tables.rate], drawn)
    _write(rows, total, summary, facts, out, seed, blind)


def make_files_page(
    folder: Path,
    file_rows: Sequence[FileRow],
    seed: int,
    scores: Path | None,
    out: Path,
    track: Track,
    blind: bool = False,
) -> None:
    """Writes a page of audio files, of whatever systems, to `out`."""
    summary = read_summary(scores) if scores else None
    known = None if blind else read_scores(scores) if scores else {}
    pairs = pairs_of(file_rows)
    rows = gather_files(folder, pairs, known, track(len(pairs)))
    systems = sorted({row["method"] for row in file_rows if row["estimate"]})
    data = [("files", folder.resolve().name), ("pairs", f"{len(pairs):,}")]
    facts = Facts(data, [("systems", ", ".join(systems) or "none")], [], "All pairs of the folder or table.")
    _write(rows, len(pairs), summary, facts, out, seed, blind)


def _write(
    rows: Iterable[tuple[Row, int]],
    total: int,
    summary: dict[str, Any] | None,
    facts: Facts,
    out: Path,
    seed: int,
    blind: bool,
) -> None:
    shelf: Shelf = Inside() if total <= INSIDE else Beside(out)
    if isinstance(shelf, Beside) and shelf.folder.is_dir():
        _clear(shelf.folder)
    if blind:
        write_blind(rows, shelf, out, seed)
        return
    data, rates = [], set(facts.rates)
    for number, (row, rate) in enumerate(rows, start=1):
        data.append(row_data(number, row, rate, shelf))
        rates.add(rate)
    facts = Facts(facts.data, facts.systems, sorted(rates), facts.drawn)
    files.replace(out, render(data, summary, facts).encode())


def _clear(folder: Path) -> None:
    """Takes away what an earlier page left; a folder that holds anything else is not ours to clear."""
    strange = [path.name for path in folder.iterdir() if path.suffix not in (".flac", ".png")]
    if strange:
        raise InputError(f"{folder}: holds {sorted(strange)[0]!r}, which no page put there; move it away")
    shutil.rmtree(folder)
