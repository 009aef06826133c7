"""What decides the codec's design: variants trained alike on amsynth, judged on a synth that was left out.

    .venv/bin/python benchmarks/ablations.py --out FOLDER [--data DIR] [--only NAME …] [--steps 120]
    .venv/bin/python benchmarks/ablations.py --out FOLDER --table      # from the results that are there

Every variant differs from `configs/train/demo.yaml` by the settings below and by nothing else: same seed,
same examples in the same order, same number of steps. A variant that is there is not trained again.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
DATASET: dict[str, Any] = {
    "name": "ablations", "seed": 3,
    "timbres": [{"synth": "amsynth", "count": 36}, {"synth": "builtin", "count": 8}],
    "tones": {"lowest_pitch": 48, "highest_pitch": 79, "max_level_variation_db": 1.0},
    "envelopes": {
        "pluck": {"count": 8, "attack_ms": [10, 50], "hold_ms": [0, 20], "decay_ms": [50, 200],
                  "sustain": [0, 0.2], "release_ms": [30, 120]},
        "lead": {"count": 8, "attack_ms": [10, 100], "hold_ms": [0, 200], "decay_ms": [100, 300],
                 "sustain": [0.4, 0.8], "release_ms": [80, 300]},
    },
    "phrases": {"generated": {"count": 16}},
    "splits": {"test_timbres": 0.12, "test_envelopes": 0.25, "test_phrases": 0.25, "validation": 0.1,
               "unseen_synth": "builtin"},
    "blocks": {"timbres": 4, "envelopes": 4, "phrases": 4, "per_shard": 8},
}  # fmt: skip
VARIANTS: dict[str, dict[str, Any]] = {
    "vector and profile": {},
    "with 8 tokens": {"timbre_tokens": 8},
    "without profile": {"profile": False},
    "without profile, with 8 tokens": {"profile": False, "timbre_tokens": 8},
    "with equaliser": {"equaliser_db": 12.0},
    "without profile, with equaliser": {"profile": False, "equaliser_db": 12.0},
    "without sub-octave": {"halves": 0},
}
"""Changes of `model:`."""
REFERENCE = "the reference, tiny"
"""All learned: content by residual VQ, the envelope as a latent, a free decoder."""
SPLITS = ("validation", "test_unseen_timbre", "test_unseen_synth")
METRICS = ("mstft_floored", "lrmsd_floored")


def call(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", *map(str, arguments)], check=True, cwd=ROOT, env={**os.environ})


def config_of(name: str, steps: int) -> dict[str, Any]:
    source = "reference-tiny" if name == REFERENCE else "demo"
    config = yaml.safe_load((ROOT / "configs" / "train" / f"{source}.yaml").read_text())
    config.pop("minutes", None)
    config |= {"steps": steps, "save_every": steps, "judge_every": steps, "judge_pairs": 1}
    if name in VARIANTS:
        config["model"] = {**config.get("model", {}), **VARIANTS[name]}
    return dict(config)


def train(name: str, out: Path, data: Path, steps: int, pairs: int) -> None:
    folder = out / name.replace(" ", "-").replace(",", "")
    if (folder / "scores" / "summary.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config_of(name, steps)))
    call("train", "fit", folder / "config.yaml", "--data", data, "--out", folder / "run")
    splits = [part for split in SPLITS for part in ("--split", split)]
    weights = folder / "run" / "last.safetensors"
    call("train", "evaluate", "--checkpoint", weights, "--data", data, "--out", folder / "scores",
         "--pairs", pairs, *splits)  # fmt: skip


def table(out: Path) -> str:
    """Each variant's scores on each split, mean over kinds: floored MSTFT / LRMSD."""
    import pandas as pd

    rows = [f"| variant | {' | '.join(SPLITS)} |", "|---|" + "---|" * len(SPLITS)]
    for name in (*VARIANTS, REFERENCE):
        folder = out / name.replace(" ", "-").replace(",", "")
        if not (folder / "scores" / "scores.parquet").exists():
            continue
        scores = pd.read_parquet(folder / "scores" / "scores.parquet")
        ours = scores[scores["method"] == "estimate"]
        means = ours.groupby(["split", "metric", "kind"])["value"].mean().groupby(["split", "metric"]).mean()
        cells = [" / ".join(f"{means[split, metric]:.2f}" for metric in METRICS) for split in SPLITS]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--only", nargs="*", choices=[*VARIANTS, REFERENCE], default=[*VARIANTS, REFERENCE])
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    if not asked.table:
        asked.out.mkdir(parents=True, exist_ok=True)
        data = asked.data or asked.out / "dataset"
        if not (data / "README.md").exists():
            (asked.out / "dataset.yaml").write_text(yaml.safe_dump(DATASET))
            call("render", "make", asked.out / "dataset.yaml", "--out", data)
        for name in asked.only:
            train(name, asked.out, data, asked.steps, asked.pairs)
    print(table(asked.out))


if __name__ == "__main__":
    main()
