"""The listening page: one HTML file with held-out conversions to hear, see and compare."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from manifests import files
from manifests.canonical import sha256_file
from manifests.vocabulary import SPLITS, BadInput
from train.checkpoint import read_weights
from train.data.pairs import Pair
from train.data.tables import Tables
from train.evaluate_run import check_rate, choose_pairs, held_out_splits
from train.evaluate_summary import splits_of
from train.page_html import Facts, render
from train.page_rows import Codec, gather

DEFAULT_SPLITS = ("validation", "test_unseen_all")


def read_summary(folder: Path) -> dict[str, Any]:
    """The `summary.json` that evaluate wrote into `folder`; BadInput if it is none."""
    path = folder / "summary.json" if folder.is_dir() else folder
    try:
        summary = json.loads(path.read_bytes())
        splits_of(summary)
        summary["differences"]
    except FileNotFoundError:
        raise BadInput(f"{path}: no scores there; run `python -m train evaluate --out {folder}`") from None
    except (ValueError, KeyError, TypeError):
        raise BadInput(f"{path}: not a summary that `python -m train evaluate` wrote") from None
    loaded: dict[str, Any] = summary
    return loaded


def dataset_facts(tables: Tables) -> list[tuple[str, str]]:
    """What the dataset is, in (term, words)."""
    metadata = tables.layout.metadata()
    synths = pd.Series(tables.layout.read("timbres").column("synth").to_pylist()).value_counts(sort=False)
    blocks = pd.DataFrame(tables.layout.read("blocks").select(["split", "clips", "offset"]).to_pylist())
    clips = blocks[blocks["offset"].notna()].groupby("split")["clips"].sum()
    total = int(clips.sum())
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


def codec_facts(checkpoint: Path, tables: Tables, summary: dict[str, Any] | None) -> list[tuple[str, str]]:
    """What the codec is, in (term, words), from its checkpoint."""
    weights, metadata = read_weights(checkpoint)
    count = sum(tensor.numel() for tensor in weights.values())
    same = metadata.get("fingerprint") == tables.layout.metadata().get("fingerprint")
    terms = [
        ("system", metadata.get("system", "")),
        ("size", f"{count / 1e6:.1f} million numbers, the discriminator's included"),
        ("trained for", f"{int(metadata['step']):,} steps" if "step" in metadata else "unknown"),
        (
            "trained on",
            "this dataset" if same else "another dataset: what is called unseen here is so for this one",
        ),
        ("checkpoint", f"{checkpoint.name}, SHA-256 {sha256_file(checkpoint)[:16]}"),
    ]
    if summary and summary.get("checkpoint_sha256") not in (None, sha256_file(checkpoint)):
        terms.append(("scores", "of another checkpoint than the one heard here"))
    return terms


def make_page(
    codec: Codec,
    checkpoint: Path,
    data: Path,
    splits: Sequence[str],
    pairs_per_kind: int,
    seed: int,
    scores: Path | None,
    out: Path,
    say: Callable[[str], Any],
    track: Callable[[int], Callable[[], Any]],
) -> None:
    """Writes the page to `out`, whole or not at all. Same inputs, same bytes."""
    tables = Tables.open(data)
    check_rate(codec.rate, tables)
    summary = read_summary(scores) if scores else None
    there = held_out_splits(tables.layout)
    wanted = list(splits) or [split for split in DEFAULT_SPLITS if split in there]
    pairs: dict[str, Sequence[Pair]] = dict(choose_pairs(tables.layout, wanted, pairs_per_kind, seed, say))
    rows = list(gather(tables, codec, pairs, track(sum(map(len, pairs.values())) + int(codec.by_number))))
    facts = Facts(dataset_facts(tables), codec_facts(checkpoint, tables, summary), tables.rate, seed)
    files.replace(out, render(rows, summary, facts).encode())
