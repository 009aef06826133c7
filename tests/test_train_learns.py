"""Whether training learns: a minute in CI, and the demo's own training, from plan to scores, in verify."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from manifests.layout import Layout
from tests import rendered
from train.checkpoint import load_system
from train.config import parse_config
from train.data.tables import Tables
from train.evaluate import RESERVED
from train.evaluate_run import held_out_splits
from train.evaluate_summary import MEAN_OF_KINDS
from train.fit import fit
from train.judge import METRIC, Judge, Trial
from train.metrics import describe, score
from train.systems import build
from train.systems.base import Audio

CONFIG = {
    "seed": 1, "steps": 60, "batch": 4, "save_every": 60, "judge_every": 60, "judge_pairs": 2,
    "data": {"pool_blocks": 2}, "optimiser": {"learning_rate": 4e-3, "warmup_steps": 5, "ema": 0.9},
    "model": {
        "encoder_width": 64, "encoder_blocks": 2, "decoder_width": 96, "decoder_blocks": 2,
        "notes_a_target": 2, "adversarial_from": 1.0,
    },
}  # fmt: skip


def test_a_minute_of_training_learns(tiny: Path, tmp_path: Path) -> None:
    """On real renders: held-out cells are converted far better than by fresh weights, and than by copying."""
    config = parse_config(CONFIG, "test")
    tables = Tables.open(tiny)
    judge = Judge(tables, 2, config.seed)
    fit(config, tiny, tmp_path / "run")
    trained = load_system(tmp_path / "run" / "best.safetensors")[0]
    fresh = build("triptych", config.model, trained.format, config.seed).eval()
    ours, before = (np.mean(list(judge.judge(system).scores.values())) for system in (trained, fresh))

    def copies(of: Callable[[Trial], Audio]) -> float:
        return float(np.mean([score(describe(of(t)), describe(t.target))[METRIC] for t in judge.trials]))

    print(f"trained {ours:.2f}, fresh {before:.2f}")
    assert ours < 0.7 * before
    assert ours < copies(lambda trial: trial.source)
    assert ours < copies(lambda trial: trial.reference)


@pytest.mark.verify
def test_the_demo_beats_both_copies_on_every_floored_metric(tmp_path: Path) -> None:
    """The demo's dataset and config (about ten minutes on two cores), and every unseen split reported."""
    data, run, scores = tmp_path / "dataset", tmp_path / "run", tmp_path / "scores"
    rendered.succeed("render", "make", "configs/demo.yaml", "--out", data)
    rendered.succeed("train", "fit", "configs/train/demo.yaml", "--data", data, "--out", run)
    checkpoint = run / "best.safetensors"
    rendered.succeed(
        "train", "evaluate", "--checkpoint", checkpoint, "--data", data, "--out", scores, "--pairs", "32"
    )
    summary = json.loads((scores / "summary.json").read_text())
    floored = [metric["name"] for metric in summary["metrics"] if "_floored" in metric["name"]]
    assert len(floored) >= 3
    means = {(r["split"], r["kind"], r["method"], r["metric"]): r["mean"] for r in summary["scores"]}
    (ours,) = {row["method"] for row in summary["scores"]} - set(RESERVED)
    kinds = ("timbre", "envelope", "both", MEAN_OF_KINDS)
    for split in held_out_splits(Layout(data)):
        for kind in kinds:
            told = [
                f"{method} " + " ".join(f"{means[split, kind, method, metric]:.2f}" for metric in floored)
                for method in (ours, "copy_of_source", "copy_of_reference")
            ]
            print(f"{split}, {kind}: {', '.join(floored)}: {'; '.join(told)}")
    for metric in floored:
        for copy in ("copy_of_source", "copy_of_reference"):
            of = ("validation", MEAN_OF_KINDS)
            assert means[*of, ours, metric] < means[*of, copy, metric], metric
