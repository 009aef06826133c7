"""The learning-rate schedule and the moving average of weights."""

from __future__ import annotations

import pytest
import torch

from tests.support.training.short_runs import run_config
from train.fitting.schedule import WeightEMA, lr_factor


def test_learning_rate_warms_up_and_falls_to_zero() -> None:
    config = run_config(optimiser={"warmup_steps": 10, "decay": 0.5}).optimiser
    factors = [lr_factor(step, step / 100, config) for step in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[10:50] == [1.0] * 40
    assert factors[75] == pytest.approx(0.5)
    assert factors[100] == 0.0


def test_the_moving_average_follows_the_weights() -> None:
    module = torch.nn.Linear(2, 2)
    ema = WeightEMA(module, 0.9)
    target = torch.full((2, 2), 5.0)
    module.weight.data.copy_(target)
    for _ in range(200):
        ema.update_parameters(module)
    torch.testing.assert_close(ema.module.weight.data, target, atol=1e-3, rtol=0.0)


def test_the_moving_average_is_the_stated_one_also_when_it_is_resumed() -> None:
    """The decay warms up as min(decay, n / (n + 9)); buffers are copied, not averaged."""
    module = torch.nn.BatchNorm1d(3)
    expected, ema = module.weight.detach().clone(), WeightEMA(module, 0.5)
    for update in range(1, 21):
        module.weight.data = torch.full((3,), float(update))
        module.running_mean = torch.full((3,), float(update))
        expected.lerp_(module.weight.data, 1.0 - min(0.5, update / (update + 9)))
        ema.update_parameters(module)
        if update == 4:
            weights, ema = ema.module.state_dict(), WeightEMA(torch.nn.BatchNorm1d(3), 0.5)
            ema.resume(weights, update)
    assert torch.equal(ema.module.weight, expected)
    assert torch.equal(ema.module.running_mean, module.running_mean)
