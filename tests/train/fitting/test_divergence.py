"""Divergence: non-finite or exploding losses end a run, a single outlier does not."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from manifests.dataset.layout import Layout
from manifests.types import ClipId
from tests.support.training.short_runs import run_config
from train.checkpoint import read_state
from train.fitting.divergence import (
    EXPLOSION_FACTOR,
    MAX_OUTLIERS,
    SETTLING_STEPS,
    DivergenceError,
    LossMonitor,
)
from train.fitting.loop import TrainingDiverged, fit
from train.systems.base import OptimizerTurn
from train.systems.triptych.system import Triptych


@pytest.mark.parametrize("fault", ["loss", "gradient"])
def test_a_diverging_run_stops_and_names_the_step(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """A loss, or only its gradient, is non-finite from the third step on."""
    turns, batches = Triptych.training_losses, []

    def broken(self: Triptych, batch: Any, progress: float) -> Iterator[OptimizerTurn]:
        batches.append(progress)
        for turn in turns(self, batch, progress):
            name, value = next(iter(turn.losses.items()))
            if len(batches) > 2 and fault == "loss":
                value = value * math.nan
            if len(batches) > 2 and fault == "gradient":
                value = value + (next(self.parameters()).sum() * 0.0).abs().sqrt()
            yield turn._replace(losses={**turn.losses, name: value})

    monkeypatch.setattr(Triptych, "training_losses", broken)
    out = tmp_path / "run"
    with pytest.raises(TrainingDiverged) as stopped:
        fit(run_config(save_every=1, validation_pairs=0), layout.root, out)
    message, about = str(stopped.value), json.loads((out / "diverged.json").read_text())
    assert "diverged at step 2: " in message
    assert "is nan" in message
    assert ("loss '" in message) == (fault == "loss")
    assert "optimiser.learning_rate (now 0.001)" in message
    assert "\n" not in message
    assert about["step"] == 2
    assert len(about["keys"]) == 4
    assert all(ClipId.parse(key).key in message for key in about["keys"])
    # The last checkpoint was written before the divergence and is complete.
    state = read_state(out / "last.state.pt")
    assert state["step"] == 2
    assert all(torch.isfinite(value).all() for value in state["weights"].values())


def test_repeated_outlier_losses_end_a_run_and_a_single_one_does_not() -> None:
    monitor = LossMonitor()
    for step in range(SETTLING_STEPS):
        monitor.check({0: {"a": 2.0 - step * 0.01, "b": -1.0}, 1: {"a": 1.0, "b": -1.0}})
    high = {0: {"a": 1.0, "b": -1.0}, 1: {"a": 2.1 * EXPLOSION_FACTOR * monitor.mean, "b": 0.0}}
    monitor.check(high)
    monitor.check({0: {"a": 1.0}, 1: {"a": 1.0}})
    again = LossMonitor()
    again.load(monitor.state())
    for _ in range(MAX_OUTLIERS - 1):
        again.check(high)
    with pytest.raises(DivergenceError, match=r"losses sum to .*, usual is 2") as stopped:
        again.check(high)
    assert stopped.value.micro_batches == [1]
    with pytest.raises(DivergenceError, match="loss 'b' is inf"):
        LossMonitor().check({3: {"a": 1.0, "b": math.inf}})


@pytest.mark.parametrize("begins", [1, SETTLING_STEPS])
def test_steadily_growing_losses_are_a_divergence(begins: int) -> None:
    """The loss doubles at every step, so that no step is far above the previous ones."""
    monitor, step, size = LossMonitor(), 0, 2.0
    with pytest.raises(DivergenceError, match=r"losses sum to .*, usual is 2$"):  # noqa: PT012
        while step < 60:
            size *= 2.0 if step >= begins else 1.0
            step += 1
            monitor.check({0: {"a": size}})
    assert step <= max(begins + 8, SETTLING_STEPS) + MAX_OUTLIERS
