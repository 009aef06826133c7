"""Writes the dataset card: a header for hubs and `datasets`, and figures from the tables."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import yaml

from manifests.dataset.layout import TableFolder

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def size_category(clips: int) -> str:
    """Returns the Hub's size category of a number of samples."""
    return next(
        (word for limit, word in SIZES if clips < limit), "1M<n<10M" if clips < 10_000_000 else "n>10M"
    )


def header(name: str, splits: list[str], clips: int) -> dict[str, Any]:
    """Returns the YAML header with two configs, by split: the Parquet manifests and the audio tars."""

    def files(folder: str, suffix: str) -> list[dict[str, str]]:
        return [{"split": split, "path": f"{folder}/{split}/*.{suffix}"} for split in splits]

    return {
        "pretty_name": name,
        "license": "other",
        "task_categories": ["audio-to-audio"],
        "size_categories": [size_category(clips)],
        "tags": ["audio", "synthesizer", "timbre-transfer", "adsr", "webdataset"],
        "configs": [
            {"config_name": "manifest", "default": True, "data_files": files("clips", "parquet")},
            {"config_name": "audio", "data_files": files("shards", "tar")},
        ],
    }


def key(name: str) -> str:
    """Converts a dataset's name to a citation key of letters, digits and hyphens."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-") or "dataset"


def card(
    metadata: dict[str, Any],
    shards: list[dict[str, Any]],
    timbres: list[dict[str, Any]],
    envelopes: int,
    phrases: int,
    labels: Sequence[dict[str, Any]] = (),
) -> str:
    """Returns the card as Markdown, a pure function of dataset.json and the tables.

    Example: `card(layout.metadata(), shards, timbres, envelopes=120, phrases=100)`; see `card_of`.
    """
    clips: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for row in shards:
        clips[row["split"]] += row["clips"]
        sizes[row["split"]] += row["bytes"]
    clip = metadata["config"]["clip"]
    total = sum(clips.values())
    front = yaml.safe_dump(header(metadata["name"], list(clips), total), sort_keys=False, allow_unicode=True)
    table = "\n".join(
        f"| {split} | {count} | {count * clip['seconds'] / 3600:.2f} | {sizes[split] / 1e6:.1f} |"
        for split, count in clips.items()
    )
    synths = ", ".join(
        f"{synth} ({count})" for synth, count in sorted(Counter(row["synth"] for row in timbres).items())
    )
    shares = (metadata["config"].get("splits") or {}).get("sampled") or {}
    length = f"{clip['seconds']:g}"
    listed = ", ".join(f"{split} {share:g}" for split, share in sorted(shares.items()))
    sampled = f", or of a sample of its blocks ({listed})" if shares else ""
    more = len(metadata.get("generations", [])) - 1
    grown = f" Grown {more} time(s) since it was first made, see `dataset.json`." if more > 0 else ""
    # Before schema 1.1 no tones were kept.
    keeps = metadata.get("schema") != "1.0"
    wild = Counter(row["synth"] for row in timbres if keeps and not row.get("deterministic", True))
    repeats = "".join(
        f" The {count} timbres of {synth} do not repeat: their tones are kept in `kept/`, and no other"
        " casting has them."
        for synth, count in sorted(wild.items())
    )
    counted = f"{envelopes} envelopes; {phrases} phrases."
    counted += (f" {_labels(labels)}" if labels else "") + repeats
    return f"""---
{front}---

# {metadata["name"]}

Synth clips as exact triplets: every clip is one cell of timbre x envelope x phrase, and every cell of a
split was rendered{sampled}. {total} clips of {length} s at {clip["rate"]} Hz, mono, FLAC 16 bit, peak
{clip["peak_dbfs"]:g} dBFS; {len(timbres)} timbres from {synths}; {counted}

| split | clips | hours | MB |
| --- | --- | --- | --- |
{table}

`validation` holds out cells of train ids; the ids that a `test_unseen_…` split calls unseen occur in no
train clip. Each clip's row in `clips/` says what it is and how to make it again:
`python -m render remake DIR KEY`. Fingerprint `{metadata["fingerprint"]}`, seed {metadata["seed"]}.{grown}

## Reading it

```python
import pandas, webdataset
rows = pandas.read_parquet("clips/train")
samples = webdataset.WebDataset("shards/train/shard-000000.tar", shardshuffle=False)  # .flac and .json each
```

## Citing it

```bibtex
@misc{{{key(metadata["name"])},
  title = {{{{{metadata["name"]}}}: {total} synth clips as exact triplets}},
  note = {{Rendered with Triptych, dataset fingerprint {metadata["fingerprint"]}}}
}}
```

## Licence and origin

Rendered with Triptych. The presets belong to the makers of their synths and banks: check their terms
before you publish audio made from them, and put the licence in this header.
"""


def card_of(layout: TableFolder) -> str:
    """Returns the card of a finished dataset folder; raises InputError if a table is missing."""
    return card(
        layout.metadata(),
        layout.read("shards").to_pylist(),
        layout.read("timbres").select(["synth", "deterministic"]).to_pylist(),
        layout.read("envelopes").num_rows,
        layout.read("phrases").num_rows,
        read_labels(layout),
    )


def read_labels(layout: TableFolder) -> list[dict[str, Any]]:
    """Reads the rows of labels.parquet that a card sums up; none if there is no such table.

    Example: `len(read_labels(Layout(Path("dataset"))))` is 0 for a dataset that the renderer shaped.
    """
    if not layout.table("labels").exists():
        return []
    rows: list[dict[str, Any]] = layout.read("labels").select(["timbre", "labels", "error_db"]).to_pylist()
    return rows


def _labels(rows: Sequence[dict[str, Any]]) -> str:
    """Says how the labels of a dataset were checked: its plugins played the envelopes themselves."""
    errors = [row["error_db"] for row in rows]
    kind = "measured" if rows[0]["labels"] == "measured" else "those asked for"
    return (
        f"The plugins played the envelopes themselves. Envelopes in rows are {kind}: {len(rows)} notes of"
        f" {len({row['timbre'] for row in rows})} timbres were measured, and their gain is"
        f" {sum(errors) / len(errors):.2f} dB off in the mean, {max(errors):.2f} dB at most"
        " (`labels.parquet`)."
    )
