"""Training steps: mixed precision, and gradients accumulated over parts of a batch."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from manifests.dataset.layout import Layout
from tests.support.training.short_runs import run_config
from train.checkpoint import read_weights
from train.fitting.loop import Callbacks, fit


def test_mixed_precision_keeps_weights_in_float32(layout: Layout, tmp_path: Path) -> None:
    seen: list[dict[str, float]] = []
    config = run_config(steps=2, precision="bf16-mixed", validation_pairs=0)
    fit(config, layout.root, tmp_path, Callbacks(on_step=lambda step, losses, speed: seen.append(losses)))
    assert all(math.isfinite(value) for losses in seen for value in losses.values())
    weights, _ = read_weights(tmp_path / "last.safetensors")
    assert {value.dtype for value in weights.values() if value.is_floating_point()} == {torch.float32}


def test_accumulated_parts_equal_one_batch(layout: Layout, tmp_path: Path) -> None:
    """Gradient accumulation: two parts of two on one device, against the same four in one."""
    seen = {
        micro: fit(
            run_config(steps=1, micro_batch=micro, validation_pairs=0), layout.root, tmp_path / f"{micro}"
        ).losses
        for micro in (None, 2)
    }
    # Means over all notes differ slightly from means over the parts' means.
    for name in ("stft", "mel", "pitch", "timbre"):
        assert seen[2][name] == pytest.approx(seen[None][name], rel=0.15), name
