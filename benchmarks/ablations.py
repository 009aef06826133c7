"""What decides the codec's design: variants trained alike on amsynth, judged on a synth that was left out.

    .venv/bin/python -m benchmarks.ablations --out FOLDER [--only NAME …] [--seeds 1 2] [--steps 200]
    .venv/bin/python -m benchmarks.ablations --out FOLDER --table      # from the results that are there

A variant (see `benchmarks/ablated/variants.py`) differs from the demo's codec in one part and in nothing
else: same seed, same examples in the same order from one tone bank, same number of steps, same pairs to be
judged on. A result that is there is not made again.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import torch
import yaml

from benchmarks.ablated.results import tables, train_and_judge
from benchmarks.ablated.variants import DATASET, VARIANTS

ROOT = Path(__file__).parents[1]


def make_bank(folder: Path) -> Path:
    """The tone bank that all variants are trained from and judged on."""
    if not (folder / "dataset" / "tones" / "tone_shards.parquet").exists():
        (folder / "dataset.yaml").write_text(yaml.safe_dump(DATASET))
        for command in (
            ("plan", folder / "dataset.yaml", "--out", folder / "dataset"), ("tones", folder / "dataset"),
        ):  # fmt: skip
            subprocess.run([sys.executable, "-m", "render", *command], check=True, cwd=ROOT, env=os.environ)
    return folder / "dataset" / "tones"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="*", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--seeds", nargs="*", type=int, default=[1, 2])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--pairs", type=int, default=16)
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    if not asked.table:
        torch.set_num_threads(1)
        asked.out.mkdir(parents=True, exist_ok=True)
        data = make_bank(asked.out.resolve())
        for seed in asked.seeds:
            for name in asked.only:
                path = train_and_judge(name, seed, asked.out, data, asked.steps, asked.pairs)
                print(path, flush=True)
    print(tables(asked.out))


if __name__ == "__main__":
    main()
