"""Writes the card of a released checkpoint, with marks where a person must add text."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

TO_DO = "TO BE WRITTEN"
"""Marks what follows from no file. A card with this mark is unfinished."""
LICENCES = {
    "builtin": "Apache-2.0, as this project",
    "amsynth": "GPL-2.0-or-later (Debian's amsynth)",
    "zynaddsubfx": "GPL-2.0-or-later (Debian's zynaddsubfx-data)",
}
"""Licences of presets, by synth of `configs/release.yaml`, from the packages' copyright files."""


def release_card(
    name: str,
    metadata: Mapping[str, str],
    data: Mapping[str, Any],
    timbres: Sequence[Mapping[str, Any]],
    files: Mapping[str, int],
    report: str,
) -> str:
    """The card as Markdown.

    `metadata` is the checkpoint's own, `data` the dataset.json or bank.json trained from, `timbres` its rows,
    `files` the weights' sizes in bytes, `report` the evaluation's report.md.
    """
    config = json.loads(metadata["config"])
    front = yaml.safe_dump(
        {
            "license": "other",
            "tags": ["audio", "codec", "timbre-transfer", "synthesizer"],
            "library_name": "triptych",
        },
        sort_keys=False,
    )
    trained = Counter(row["synth"] for row in timbres if row["side"] == "train")
    held = Counter(row["synth"] for row in timbres if row["side"] != "train")
    to_do = f"{TO_DO}: licence of its presets"
    presets = "\n".join(
        f"| {synth} | {trained[synth]} | {held[synth]} | {LICENCES.get(synth, to_do)} |"
        for synth in sorted({*trained, *held})
    )
    first = next(iter(files))
    sizes = ", ".join(f"`{file}` {size / 2**20:.1f} MiB" for file, size in files.items())
    settings = yaml.safe_dump(config, sort_keys=False).rstrip()
    return f"""---
{front}---

# {name}

System `{metadata["system"]}`, {metadata["step"]} steps, seed {config["seed"]}, {metadata["rate"]} Hz mono.
Weights in half precision: {sizes}.

    python -m train convert --checkpoint {first} --source a.wav --reference b.wav --out y.wav

## Data

Trained from `{data["name"]}`, rendered with Triptych: seed {data["seed"]}, fingerprint
`{metadata["fingerprint"]}`.

| synth | train timbres | held out | presets |
| --- | ---: | ---: | --- |
{presets}

## Scores

On pairs of held-out clips, beside copies of source and reference, silence and a training-free transplant.

{report.split("# Scores", 1)[-1].replace(chr(10) + "## ", chr(10) + "### ").strip() or TO_DO}

## Known failures

{TO_DO}: what it does badly, with clips.

## Training

```yaml
{settings}
```
"""
