"""Training improves held-out losses: in seconds for CI, and the demo's whole training in `make verify`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from manifests.dataset.bank import Bank
from manifests.dataset.layout import Layout
from tests.support import commands
from tests.support.training.short_runs import held_out_losses
from train.checkpoint import load_system
from train.config import parse_config
from train.data.bank.clips import compose_clip
from train.data.examples import Clip
from train.data.shards import ShardSource
from train.data.tables import Block, Tables
from train.evaluation.run import held_out_splits
from train.evaluation.summary import MEAN_OF_KINDS
from train.evaluation.trial import is_system
from train.fitting.loop import Callbacks, fit
from train.systems import build

CONFIG = {
    "seed": 1, "steps": 40, "batch": 4, "save_every": 40, "validation_pairs": 0,
    "data": {"pool_blocks": 2}, "optimiser": {"learning_rate": 4e-3, "warmup_steps": 5, "ema": 0.9},
    "model": {
        "encoder_width": 64, "encoder_blocks": 2, "decoder_width": 96, "decoder_blocks": 2,
        "notes_per_target": 2, "adversarial_from": 1.0,
    },
}  # fmt: skip


def test_a_short_training_improves_held_out_losses(tiny: Path, tmp_path: Path) -> None:
    """Every loss on held-out cells is lower than that of untrained weights."""
    config = parse_config(CONFIG, "test")
    tables = Tables.open(tiny)
    fit(config, tiny, tmp_path / "run")
    trained = load_system(tmp_path / "run" / "last.safetensors")[0]
    fresh = build("triptych", config.model, trained.format, config.seed)
    after, before = (held_out_losses(system, tables, 8) for system in (trained, fresh))
    print({name: (round(before[name], 3), round(after[name], 3)) for name in before})
    for name in ("stft", "mel", "onset", "pitch", "envelope", "envelope_curve"):
        assert after[name] < before[name] - 0.1 * abs(before[name]), name


@pytest.mark.verify
@pytest.mark.xdist_group("demo")
def test_the_demo_beats_both_copies_on_every_floored_metric(
    demo_data: Path, demo_run: Path, tmp_path: Path
) -> None:
    """Trains the demo (about ten minutes on two cores) and prints the scores of every held-out split."""
    scores, checkpoint = tmp_path / "scores", demo_run / "best.safetensors"
    commands.succeed(
        "train", "evaluate", "--checkpoint", checkpoint, "--data", demo_data, "--out", scores, "--pairs", "32"
    )
    summary = json.loads((scores / "summary.json").read_text())
    floored = [metric["name"] for metric in summary["metrics"] if "_floored" in metric["name"]]
    assert len(floored) >= 3
    means = {(r["split"], r["kind"], r["method"], r["metric"]): r["mean"] for r in summary["scores"]}
    (system,) = {row["method"] for row in summary["scores"] if is_system(row["method"])}
    kinds = ("timbre", "envelope", "both", MEAN_OF_KINDS)
    for split in held_out_splits(Layout(demo_data)):
        for kind in kinds:
            columns = [
                f"{method} " + " ".join(f"{means[split, kind, method, metric]:.2f}" for metric in floored)
                for method in (system, "copy_of_source", "copy_of_reference")
            ]
            print(f"{split}, {kind}: {', '.join(floored)}: {'; '.join(columns)}")
    for metric in floored:
        for copy in ("copy_of_source", "copy_of_reference"):
            of = ("validation", MEAN_OF_KINDS)
            assert means[*of, system, metric] < means[*of, copy, metric], metric


class Recomposed(ShardSource):
    """Reads a dataset's blocks, with every clip composed from the bank instead of decoded."""

    def __init__(self, tables: Tables, bank: Bank) -> None:
        super().__init__(tables)
        self.bank = bank

    def clips(self, block: Block, keys: Sequence[int]) -> list[Clip]:
        made = []
        for clip in super().clips(block, keys):
            audio, gain = compose_clip(self.bank, clip.id)
            made.append(replace(clip, audio=audio, gain=gain))
        return made


@pytest.mark.verify
def test_training_from_the_bank_equals_training_from_rendered_clips(
    banked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rendered clips, the same clips composed, and the bank's own stream over the same timbres, phrases and
    envelopes, with two seeds each: late and held-out losses differ by what seeds make of them."""
    tables, bank = Tables.open(banked), Bank(banked / "tones")
    losses_of: dict[str, list[dict[str, float]]] = {"rendered": [], "composed": [], "stream": []}
    for seed in (1, 2):
        for name, losses in losses_of.items():
            changes = {"seed": seed, "steps": 24, "data": {"pool_blocks": 2, "fresh": 0.0}}
            config = parse_config({**CONFIG, **changes}, "test")
            history: list[dict[str, float]] = []
            with monkeypatch.context() as patch:
                if name == "composed":
                    patch.setattr(
                        "train.fitting.loop.open_source", lambda tables, *_: Recomposed(tables, bank)
                    )
                report = Callbacks(on_step=lambda step, row, speed, history=history: history.append(row))
                out = tmp_path / f"{name}-{seed}"
                fit(config, bank.root if name == "stream" else banked, out, report)
            late = {f"late {key}": float(np.mean([row[key] for row in history[-10:]])) for key in history[0]}
            held = held_out_losses(load_system(out / "last.safetensors")[0], tables, 8)
            losses.append({**late, **{f"held-out {key}": value for key, value in held.items()}})
    seeds, composed, stream = [], [], []
    for key in losses_of["rendered"][0]:
        rows = {name: np.array([losses[key] for losses in both]) for name, both in losses_of.items()}
        print(f"{key}: " + "; ".join(f"{name} {row[0]:.4f} {row[1]:.4f}" for name, row in rows.items()))
        rendered_2 = rows["rendered"]
        scale = abs(rendered_2).mean()
        seeds.append(abs(rendered_2[0] - rendered_2[1]) / scale)
        # The same batches: only the last bit of some samples differs, and its effect after 24 steps.
        composed.append(abs(rows["composed"] - rendered_2).mean() / scale)
        # Other batches of the same cells: the difference is about that of two seeds.
        stream.append(abs(rows["stream"].mean() - rendered_2.mean()) / scale)
    apart = {
        name: float(np.mean(x)) for name, x in (("seeds", seeds), ("composed", composed), ("stream", stream))
    }
    print(apart)
    assert apart["composed"] < 0.7 * apart["seeds"]
    assert apart["stream"] < 2.0 * apart["seeds"]
