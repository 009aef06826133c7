"""Performs one training step: gradients of every micro-batch, then one step of each optimiser.

Gradients are averaged over the micro-batches of all devices, and no optimiser steps before the last of them.
A step's result therefore does not depend on how micro-batches are spread over devices. What a system draws
from torch's generator in a micro-batch is seeded by (seed, step, micro-batch).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from manifests.splits.seeds import derive
from train.fitting.distributed import all_gather, all_reduce_gradients, broadcast_buffers
from train.fitting.divergence import DivergenceError
from train.fitting.run_state import TrainingRun
from train.fitting.schedule import lr_factor


class RankReport(NamedTuple):
    """What a rank sends to all others at each step.

    Attributes:
        losses: Losses by micro-batch and name.
        seconds: The run's training time so far, in s.
    """

    losses: dict[int, dict[str, float]]
    seconds: float


def train_step(
    run: TrainingRun, micro_batches: Sequence[Any], indices: Sequence[int], count: int
) -> dict[str, float]:
    """Trains a run for one step.

    Args:
        run: The run, whose weights, optimisers, average and step number are updated.
        micro_batches: This rank's micro-batches, on its device.
        indices: Their indices among the step's micro-batches.
        count: Number of the step's micro-batches on all ranks.

    Returns:
        Losses by name, means over all micro-batches, and the gradient norm of each parameter group before
        clipping, as "GROUP_gradient".

    Raises DivergenceError, before any weight is changed, if losses or gradients are unusable.
    """
    progress, config = run.progress, run.config.optimiser
    factor = lr_factor(run.step, progress, config)
    gradients: dict[str, list[Tensor | None]] = {
        group: [None] * len(parameters) for group, parameters in run.parameter_groups.items()
    }
    losses: dict[int, dict[str, float]] = {}
    for index, micro_batch in zip(indices, micro_batches, strict=True):
        torch.manual_seed(derive(run.config.seed, "noise", run.step, index) % 2**63)
        losses[index] = _accumulate(run, micro_batch, progress, gradients, 1.0 / count)
    reports = all_gather(run.fabric, RankReport(losses, run.training_seconds()))
    run.seconds = reports[0].seconds
    all_losses = dict(sorted(item for report in reports for item in report.losses.items()))
    run.loss_monitor.check(all_losses)

    norms: dict[str, float] = {}
    for group, parameters in run.parameter_groups.items():
        summed = all_reduce_gradients(run.fabric, gradients[group], parameters)
        if all(gradient is None for gradient in summed):
            continue
        for parameter, gradient in zip(parameters, summed, strict=True):
            parameter.grad = gradient
        max_norm = config.clips.get(group, config.clip)
        norms[f"{group}_gradient"] = float(nn.utils.clip_grad_norm_(parameters, max_norm))
    for name, norm in norms.items():
        if not math.isfinite(norm):
            raise DivergenceError(f"{name} is {norm}", list(all_losses))
    for group, optimiser in run.optimisers.items():
        if f"{group}_gradient" in norms:
            for settings in optimiser.param_groups:
                settings["lr"] = config.learning_rate * factor
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
    broadcast_buffers(run.fabric, run.system)
    run.ema.update_parameters(run.system)
    run.step += 1
    return mean_losses(all_losses) | norms


def _accumulate(
    run: TrainingRun,
    micro_batch: Any,
    progress: float,
    gradients: dict[str, list[Tensor | None]],
    weight: float,
) -> dict[str, float]:
    """Adds a micro-batch's gradients, times `weight`, to those of each group; returns its losses by name."""
    losses: dict[str, Tensor] = {}
    with run.fabric.autocast():
        for turn in run.system.training_losses(micro_batch, progress):
            total = weight * torch.stack(list(turn.losses.values())).sum()
            # Only the gradients of the turn's own group are computed and kept.
            new = torch.autograd.grad(total, run.parameter_groups[turn.group], allow_unused=True)
            sums = gradients[turn.group]
            for index, gradient in enumerate(new):
                before = sums[index]
                if gradient is not None:
                    sums[index] = gradient if before is None else before + gradient
            losses |= {name: value.detach() for name, value in turn.losses.items()}
    values = torch.stack(list(losses.values())).float().tolist()
    return dict(zip(losses, values, strict=True))


def mean_losses(losses: dict[int, dict[str, float]]) -> dict[str, float]:
    """Averages each loss over the micro-batches that have it.

    Example: `mean_losses({0: {"a": 1.0, "b": 5.0}, 1: {"a": 3.0}})` returns `{"a": 2.0, "b": 5.0}`.
    """
    names = dict.fromkeys(name for named in losses.values() for name in named)
    return {
        name: math.fsum(named[name] for named in losses.values() if name in named)
        / sum(name in named for named in losses.values())
        for name in names
    }
