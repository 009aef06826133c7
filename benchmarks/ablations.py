"""Trains ablation variants of the codec on amsynth and scores them, also on a synth that was left out of
training.

    .venv/bin/python -m benchmarks.ablations --out FOLDER [--only NAME …] [--seeds 1 2] [--steps 200]
    .venv/bin/python -m benchmarks.ablations --out FOLDER --table

Each variant (`benchmarks/ablated/variants.py`) differs from the demo's codec in one part only. Seed, tone
bank, order of examples, number of steps and scored pairs are the same for all. Existing results are kept.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import torch
import yaml

from benchmarks.ablated.results import format_tables, train_and_score
from benchmarks.ablated.variants import DATASET, VARIANTS

ROOT = Path(__file__).parents[1]


def make_bank(folder: Path) -> Path:
    """Renders the tone bank that all variants are trained and scored on, unless it exists.

    Returns its folder.
    """
    if not (folder / "dataset" / "tones" / "tone_shards.parquet").exists():
        (folder / "dataset.yaml").write_text(yaml.safe_dump(DATASET))
        for command in (
            ("plan", folder / "dataset.yaml", "--out", folder / "dataset"), ("tones", folder / "dataset"),
        ):  # fmt: skip
            subprocess.run([sys.executable, "-m", "render", *command], check=True, cwd=ROOT, env=os.environ)
    return folder / "dataset" / "tones"


def main() -> None:
    """Trains and scores the chosen variants for each seed, then prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the tone bank, runs and scores")
    parser.add_argument(
        "--only", nargs="*", choices=list(VARIANTS), default=list(VARIANTS), metavar="NAME",
        help=f"variants to train (default: all): {', '.join(map(repr, VARIANTS))}",
    )  # fmt: skip
    parser.add_argument("--seeds", nargs="*", type=int, default=[1, 2], help="one run for each seed")
    parser.add_argument("--steps", type=int, default=200, help="training steps of each run")
    parser.add_argument("--pairs", type=int, default=16, help="scored pairs for each kind and split")
    parser.add_argument("--table", action="store_true", help="print the tables of existing results only")
    args = parser.parse_args()
    if not args.table:
        torch.set_num_threads(1)
        args.out.mkdir(parents=True, exist_ok=True)
        data = make_bank(args.out.resolve())
        for seed in args.seeds:
            for name in args.only:
                path = train_and_score(name, seed, args.out, data, args.steps, args.pairs)
                print(path, flush=True)
    print(format_tables(args.out))


if __name__ == "__main__":
    main()
