"""The learning-rate schedule and the moving average of weights."""

from __future__ import annotations

import pytest
import torch

from tests.support.training.short_runs import run_config
from train.fitting.schedule import Average, rate_factor


def test_learning_rate_warms_up_and_falls_to_zero() -> None:
    config = run_config(optimiser={"warmup_steps": 10, "decay": 0.5}).optimiser
    factors = [rate_factor(step, step / 100, config) for step in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[10:50] == [1.0] * 40
    assert factors[75] == pytest.approx(0.5)
    assert factors[100] == 0.0


def test_the_moving_average_follows_the_weights() -> None:
    module = torch.nn.Linear(2, 2)
    average = Average(module, 0.9)
    target = torch.full((2, 2), 5.0)
    module.weight.data.copy_(target)
    for step in range(200):
        average.update(module, step)
    torch.testing.assert_close(average.weights["weight"], target, atol=1e-3, rtol=0.0)
