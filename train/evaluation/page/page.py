"""Listening page: conversions to hear, see and compare, of a dataset or of any audio files."""

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
from manifests.dataset.storage import parquet_file
from manifests.listing import visible
from manifests.types import SPLITS, InputError
from train.checkpoint import read_weights
from train.data.pairs import Pair
from train.data.tables import Tables, readable_blocks
from train.evaluation.files import FileRow, group_by_pair
from train.evaluation.page.blind import write_blind
from train.evaluation.page.data import AssetStore, ExternalAssets, InlineAssets, row_data
from train.evaluation.page.files import build_file_rows
from train.evaluation.page.html import PageFacts, render_page
from train.evaluation.page.rows import PrecomputedScores, Row, RowScores, build_rows
from train.evaluation.pairs import Converter, reconstruction_pairs
from train.evaluation.run import ProgressStarter, Say, check_rate, choose_pairs, held_out_splits
from train.evaluation.summary import splits_of
from train.metrics.catalogue import HEADLINES

DEFAULT_SPLITS = ("validation", "test_unseen_all", "test_unseen_synth")

MAX_INLINE_ROWS = 24
"""Rows of a page that holds its sounds itself; a longer page has them in a folder beside it."""


def read_summary(folder: Path) -> dict[str, Any]:
    """Reads the `summary.json` that `train evaluate` wrote into `folder`.

    Raises:
        InputError: If it is missing, or is not such a summary.
    """
    path = folder / "summary.json" if folder.is_dir() else folder
    try:
        summary = json.loads(path.read_bytes())
        splits_of(summary)
        summary["differences"]
    except FileNotFoundError:
        raise InputError(
            f"{path}: there are no scores; run `python -m train evaluate --out {folder}`"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: not a summary that `python -m train evaluate` wrote") from None
    loaded: dict[str, Any] = summary
    return loaded


def read_scores(folder: Path) -> PrecomputedScores:
    """Reads the headline scores and hard cases of each (split, pair) from a folder of `train evaluate`.

    Raises:
        InputError: If `scores.parquet` is not a table of scores. A missing one gives no scores.
    """
    path = folder / "scores.parquet"
    if not path.is_file():
        return {}
    try:
        # Not pandas, which adds columns from folder names such as a=b.
        frame = parquet_file(path).read().to_pandas()
        frame = frame[frame["metric"].isin(HEADLINES) & (frame["status"] == "scored")]
        known: dict[tuple[str, str], tuple[RowScores, tuple[str, ...]]] = {}
        for row in frame.itertuples(index=False):
            scores, _ = known.setdefault((row.split, row.pair), ({}, tuple(str(row.cases).split())))
            scores.setdefault(row.method, {})[row.metric] = float(row.value)
    except (OSError, ValueError, KeyError, AttributeError):
        raise InputError(f"{path}: not a table of scores that `python -m train evaluate` wrote") from None
    return known


def dataset_facts(tables: Tables) -> list[tuple[str, str]]:
    """Describes the dataset as (term, description) pairs."""
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
    """Describes a codec as (term, description) pairs, from its checkpoint.

    Args:
        name: Its name in the summary of scores.
        checkpoint: Its weights.
        tables: The dataset of the page.
        summary: The summary of scores, if any.

    Raises:
        InputError: If the checkpoint cannot be read.
    """
    weights, metadata = read_weights(checkpoint)
    count = sum(tensor.numel() for tensor in weights.values())
    same = metadata["fingerprint"] == tables.layout.metadata().get("fingerprint")
    terms = [
        ("system", metadata["system"]),
        ("size", f"{count / 1e6:.1f} million parameters, with the discriminator"),
        ("trained for", f"{int(metadata['step']):,} steps"),
        (
            "trained on",
            "this dataset" if same else 'another dataset; "unseen" means held out of this one',
        ),
        ("checkpoint", f"{checkpoint.name}, SHA-256 {sha256_file(checkpoint)[:16]}"),
    ]
    scored = (summary or {}).get("checkpoints", {}).get(name, {}).get("sha256")
    if summary and scored not in (None, sha256_file(checkpoint)):
        terms.append(("scores", "of another checkpoint than the one on this page"))
    return terms


def make_page(
    codecs: Mapping[str, Converter],
    checkpoints: Mapping[str, Path],
    data: Path,
    splits: Sequence[str],
    pairs_per_kind: int,
    seed: int,
    scores: Path | None,
    out: Path,
    say: Say,
    track: ProgressStarter,
    blind: bool = False,
) -> None:
    """Writes a page of a dataset's held-out pairs. It is written completely or not at all.

    Equal inputs give equal bytes.

    Args:
        codecs: The codecs by name.
        checkpoints: The checkpoint of each codec.
        data: The dataset's folder.
        splits: The splits to show; if empty, `DEFAULT_SPLITS`.
        pairs_per_kind: Pairs of each kind of conversion in each split.
        seed: Seed of the choice of pairs, and of the order in a blind test.
        scores: Folder that `train evaluate` wrote; None to score the rows now.
        out: The HTML file.
        say: Called with a message for the user.
        track: Called with the number of rows; returns what is called after each.
        blind: Whether to write a blind listening test instead, without scores.

    Raises:
        InputError: If the data, a split or the scores cannot be used, or the sample rates differ.
    """
    tables = Tables.open(data)
    for codec in codecs.values():
        check_rate(codec.rate, tables)
    summary = read_summary(scores) if scores else None
    known = None if blind else read_scores(scores) if scores else {}
    rendered = held_out_splits(tables.layout)
    wanted = list(splits) or [split for split in DEFAULT_SPLITS if split in rendered]
    pairs: dict[str, Sequence[Pair]] = dict(choose_pairs(tables.layout, wanted, pairs_per_kind, seed, say))
    first = next(iter(pairs))
    pairs[first] = [*pairs[first], *reconstruction_pairs(pairs[first])[:1]]
    total = sum(map(len, pairs.values())) + int(next(iter(codecs.values())).by_number)
    rows = ((row, tables.rate) for row in build_rows(tables, codecs, pairs, known, track(total)))
    systems = [
        (f"{name}: {term}" if len(checkpoints) > 1 else term, words)
        for name, path in checkpoints.items()
        for term, words in codec_facts(name, path, tables, summary)
    ]
    choice = f"The pairs were drawn by seed {seed}, not chosen by ear."
    facts = PageFacts(dataset_facts(tables), systems, [tables.rate], choice)
    _write(rows, total, summary, facts, out, seed, blind)


def make_files_page(
    folder: Path,
    file_rows: Sequence[FileRow],
    seed: int,
    scores: Path | None,
    out: Path,
    track: ProgressStarter,
    blind: bool = False,
) -> None:
    """Writes a page of audio files, whatever systems made them. The arguments are those of `make_page`.

    `file_rows` are the rows of `train.evaluation.files`; their paths are relative to `folder`.

    Raises:
        InputError: If a file or the scores cannot be used.
    """
    summary = read_summary(scores) if scores else None
    known = None if blind else read_scores(scores) if scores else {}
    pairs = group_by_pair(file_rows)
    rows = build_file_rows(folder, pairs, known, track(len(pairs)))
    systems = sorted({row["method"] for row in file_rows if row["estimate"]})
    data = [("files", folder.resolve().name), ("pairs", f"{len(pairs):,}")]
    facts = PageFacts(
        data, [("systems", ", ".join(systems) or "none")], [], "All pairs of the folder or table."
    )
    _write(rows, len(pairs), summary, facts, out, seed, blind)


def _write(
    rows: Iterable[tuple[Row, int]],
    total: int,
    summary: dict[str, Any] | None,
    facts: PageFacts,
    out: Path,
    seed: int,
    blind: bool,
) -> None:
    """Writes the page, or the blind test, of `total` rows with their sample rates."""
    store: AssetStore = InlineAssets() if total <= MAX_INLINE_ROWS else ExternalAssets(out)
    if isinstance(store, ExternalAssets) and store.folder.is_dir():
        _clear(store.folder)
    if blind:
        write_blind(rows, store, out, seed)
        return
    data, rates = [], set(facts.rates)
    for number, (row, rate) in enumerate(rows, start=1):
        data.append(row_data(number, row, rate, store))
        rates.add(rate)
    facts = PageFacts(facts.data, facts.systems, sorted(rates), facts.choice)
    files.replace(out, render_page(data, summary, facts).encode())


def _clear(folder: Path) -> None:
    """Removes the files of an earlier page; InputError if the folder holds anything else."""
    names = visible(path.name for path in folder.iterdir())
    foreign = [name for name in names if Path(name).suffix not in (".flac", ".png")]
    if foreign:
        raise InputError(f"{folder}: holds {foreign[0]!r}, which no page put there; move it away")
    shutil.rmtree(folder)
