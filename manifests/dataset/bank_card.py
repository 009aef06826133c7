"""Writes the card of a tone bank, a pure function of bank.json and its tables."""

from __future__ import annotations

from collections import Counter
from typing import Any

import yaml


def bank_card(metadata: dict[str, Any], shards: list[dict[str, Any]], timbres: list[dict[str, Any]]) -> str:
    """Returns the card as Markdown, with the header that hubs read.

    Example: `bank_card(bank.metadata(), bank.shards(), bank.read("timbres").to_pylist())`.
    """
    of = metadata["fingerprint_of"]
    header = {
        "pretty_name": f"{metadata['name']}, tone bank",
        "license": "other",
        "tags": ["audio", "synthesizer", "timbre-transfer", "webdataset"],
        "configs": [{"config_name": "audio", "data_files": "shard-*.tar"}],
    }
    front = yaml.safe_dump(header, sort_keys=False, allow_unicode=True)
    synths = Counter(row["synth"] for row in timbres)
    sides = Counter(row["side"] for row in timbres)
    tones, size = sum(row["tones"] for row in shards), sum(row["bytes"] for row in shards)
    kept = "every semitone" if of["every"] == 1 else f"every {of['every']} semitones"
    return f"""---
{front}---

# {metadata["name"]}, tone bank

The tones of {len(timbres)} timbres ({", ".join(f"{name} {count}" for name, count in sorted(synths.items()))};
{", ".join(f"{side} {count}" for side, count in sorted(sides.items()))}): {tones} sustained notes, {kept},
int16 at {of["rate"]} Hz with a scale that gives each an RMS of 0.1, and a loop; {size / 1e9:.2f} GB.
With the envelopes, phrases and blocks beside them, any clip of dataset `{of["dataset"]}` can be composed
from them: `python -m train fit CONFIG --data` takes this folder as it takes the dataset.

Bank `{metadata["fingerprint"]}`, seed {metadata["seed"]}.

## Licence and origin

Rendered with Triptych. The presets belong to the makers of their synths and banks: check their terms
before you publish audio made from them, and put the licence in this header.
"""
