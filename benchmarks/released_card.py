"""Makes the figures of the released card again: renders its data, scores the shipped weights, compares.

    python -m benchmarks.released_card --out DIR [--workers N]

Prints the mean of every kind of conversion on both sides, and exits with 1 if a figure is not the card's. The
data must be rendered by the same synths: a missing one gives another fingerprint, which is said.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from train.codec.release_facts import METRICS, RELEASED, released_card
from train.codec.released import released_checkpoint

TOLERANCE = 0.02
"""Largest difference of a mean, relative to it or to 1: platforms and torch builds round differently."""


def command(*arguments: str | Path) -> None:
    """Runs one of the project's commands. Raises CalledProcessError if it fails."""
    subprocess.run([sys.executable, "-m", *map(str, arguments)], check=True)


def render(scored: Mapping[str, Any], folder: Path, workers: int) -> Path:
    """Renders the dataset or tone bank of scores of a card, and returns its folder."""
    if scored["every"] is None:
        command("render", "make", scored["config"], "--out", folder, "--workers", str(workers))
        return folder
    if not (folder / "dataset.json").exists():
        command("render", "plan", scored["config"], "--out", folder)
    command("render", "tones", folder, "--every", str(scored["every"]), "--workers", str(workers))
    return folder / "tones"


def compare(
    scored: Mapping[str, Any], summary: Mapping[str, Any]
) -> Iterator[tuple[str, float | None, float | None]]:
    """Yields name, mean in the card and mean made again, of all methods but other seeds."""
    again = {(r["split"], r["kind"], r["metric"], r["method"]): r["mean"] for r in summary["scores"]}
    for row in scored["rows"]:
        key = (row["split"], row["kind"], row["metric"], row["method"])
        if row["metric"] in METRICS and key in again:
            yield ", ".join(key), row["mean"], again[key]


def differs(before: float | None, after: float | None) -> bool:
    """Whether two means are not equal up to `TOLERANCE`."""
    if before is None or after is None:
        return before is not after
    return abs(after - before) > TOLERANCE * max(1.0, abs(before))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for data and scores")
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args()
    different = 0
    for number, scored in enumerate(released_card()["scores"]):
        folder = render(scored, args.out / f"data{number}", args.workers)
        out = args.out / f"scores{number}"
        splits = [part for s in dict.fromkeys(r["split"] for r in scored["rows"]) for part in ("--split", s)]
        command(
            "train", "evaluate", "--checkpoint", f"{RELEASED}={released_checkpoint()}", "--data", folder,
            "--pairs", str(scored["pairs_per_kind"]), "--seed", str(scored["seed"]), "--out", out, *splits,
        )  # fmt: skip
        summary = json.loads((out / "summary.json").read_bytes())
        if summary["fingerprint"] != scored["fingerprint"]:
            sys.exit(f"{folder}: another fingerprint than in the card; are all its synths installed?")
        for name, before, after in compare(scored, summary):
            wrong = differs(before, after)
            different += wrong
            if wrong or f", {METRICS[0]}, {RELEASED}" in name:
                print(f"{'DIFFERENT ' if wrong else ''}{name}: card {before}, again {after}")
    print(f"{different} figures differ from the card")
    sys.exit(different > 0)


if __name__ == "__main__":
    main()
