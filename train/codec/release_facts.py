"""Gathers the facts of a released checkpoint, which its card.json holds: data, training, scores, failures."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from manifests.types import InputError
from train.codec.released import FOLDER
from train.metrics.catalogue import BY_NAME, HEADLINES, better

Card = dict[str, Any]
Rows = Sequence[Mapping[str, Any]]

TO_DO = "TO BE WRITTEN"
"""Marks what follows from no file. A card with this mark is unfinished."""
RELEASED = "released"
"""Name of the released codec among the methods of a card's scores."""
METRICS = (*HEADLINES, "onset_f1")
"""The metrics that a card holds."""
MEAN_OF_KINDS = "mean of kinds"
LICENCES = {
    "builtin": "Apache-2.0, as this project",
    "amsynth": "GPL-2.0-or-later (Debian's amsynth)",
    "zynaddsubfx": "GPL-2.0-or-later (Debian's zynaddsubfx-data)",
    "nekobi": "Apache-2.0, as this project (the synth itself: GPL-2.0-or-later)",
}
"""Licences of presets, by synth, from the packages' copyright files."""
HARD = 1.25
"""A hard case is a known failure where the mean MSTFT is this many times that of all conversions."""


def data_facts(metadata: Mapping[str, Any], timbres: Rows, config: str | None) -> dict[str, Any]:
    """Describes the training data: name, seed, fingerprint, config, and the timbres of each synth.

    Args:
        metadata: Content of dataset.json or bank.json.
        timbres: Rows of timbres.parquet with `synth` and `side`.
        config: Path in the repository of the config that makes the data; None if unknown.

    Example: `data_facts(tables.layout.metadata(), rows, "configs/demo.yaml")["synths"]["builtin"]["train"]`
    """
    trained = Counter(row["synth"] for row in timbres if row["side"] == "train")
    held = Counter(row["synth"] for row in timbres if row["side"] != "train")
    synths = {
        synth: {
            "train": trained[synth],
            "held_out": held[synth],
            "licence": LICENCES.get(synth, f"{TO_DO}: licence of its presets"),
        }
        for synth in sorted({*trained, *held})
    }
    return {
        "name": metadata["name"],
        "seed": metadata["seed"],
        "fingerprint": metadata["fingerprint"],
        "config": config or TO_DO,
        "synths": synths,
    }


def score_facts(summary: Mapping[str, Any], config: str | None, every: int | None) -> dict[str, Any]:
    """Selects from the summary of an evaluation what a card holds, with four significant digits.

    Args:
        summary: Content of summary.json.
        config: Path in the repository of the config that makes the data; None if unknown.
        every: Distance of the pitches of a tone bank in semitones; None for a dataset.
    """

    def selected(rows: Rows) -> list[dict[str, Any]]:
        keys = ("split", "case", "kind", "metric", "method", "mean", "low", "high", "count", "failed")
        return [
            {key: _rounded(row[key]) for key in keys if key in row}
            for row in rows
            if row["metric"] in METRICS
        ]

    return {
        "data": summary["dataset"],
        "fingerprint": summary["fingerprint"],
        "config": config or TO_DO,
        "every": every,
        "pairs_per_kind": summary["pairs_per_kind"],
        "seed": summary["seed"],
        "rows": selected(summary["scores"]),
        "cases": selected(summary["cases"]),
    }


def _rounded(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value


def known_failures(scores: Sequence[Mapping[str, Any]]) -> list[str]:
    """States the codec's hard cases, and where it is worse than the transplant as heard, one sentence each.

    Args:
        scores: Results of `score_facts`.
    """
    hard, worse = [], []
    for scored in scores:
        rows = scored["rows"]
        where = {(r["split"], r["kind"], r["metric"], r["method"]): r["mean"] for r in rows}
        for (split, kind, metric, method), mean in where.items():
            other = where.get((split, kind, metric, "transplant"))
            if method != RELEASED or kind in ("reconstruction", MEAN_OF_KINDS):
                continue
            if mean is not None and other is not None and better(metric, other, mean):
                worse.append(
                    f"{scored['data']}, {split}, {kind}: {BY_NAME[metric].title} {figure(metric, mean)},"
                    f" which the transplant without training betters ({figure(metric, other)})."
                )
        mine = [r for r in rows if r["method"] == RELEASED and r["metric"] == HEADLINES[0] and r["mean"]]
        means = [r["mean"] for r in mine if r["kind"] not in ("reconstruction", MEAN_OF_KINDS)]
        for case in scored["cases"]:
            if case["method"] != RELEASED or case["metric"] != HEADLINES[0] or not means or not case["mean"]:
                continue
            if case["mean"] > HARD * (usual := sum(means) / len(means)):
                hard.append(
                    f"{scored['data']}, {case['case'].replace('_', ' ')} ({case['count']} pairs):"
                    f" {BY_NAME[HEADLINES[0]].title} {case['mean']:.2f}; over all conversions {usual:.2f}."
                )
    return hard + worse


def figure(metric: str, value: float | None) -> str:
    """Formats a mean with its unit; an undefined one as a dash."""
    column = BY_NAME[metric]
    return "–" if value is None else f"{value:.{column.decimals}f}{f' {column.unit}' if column.unit else ''}"


def card_json(card: Card) -> bytes:
    """Encodes a card as JSON, one row of scores a line; equal cards give equal bytes."""
    slim = {**card, "scores": [{**scored, "rows": [], "cases": []} for scored in card["scores"]]}
    text = json.dumps(slim, indent=1, ensure_ascii=False)
    for scored in card["scores"]:
        for name in ("rows", "cases"):
            lines = ",\n   ".join(json.dumps(row, ensure_ascii=False) for row in scored[name])
            text = text.replace(f'"{name}": []', f'"{name}": [{lines}]', 1)
    return f"{text}\n".encode()


def read_card(text: bytes, where: str) -> Card:
    """Reads card.json. Raises InputError, which begins with `where`, if it is not a card."""
    try:
        card: Card = json.loads(text)
        _ = card["scores"][0]["rows"], card["examples"], card["weights"]
    except (ValueError, LookupError, TypeError) as error:
        raise InputError(f"{where}: not the card of a release ({error})") from None
    return card


def released_card() -> Card:
    """Reads the card of the released weights. Raises InputError if there is none."""
    path = FOLDER / "card.json"
    if not path.is_file():
        raise InputError(f"{path}: no such card; the package holds no released weights")
    return read_card(path.read_bytes(), str(path))
