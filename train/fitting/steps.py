"""One step of training: every turn of the system at every part of a batch, then each player steps once.

Gradients are averaged over the parts, wherever they are (see `train.data.batches`), and no player steps
before all parts are done, so that a step's result does not depend on how the parts are spread over devices.
Whatever a system draws from torch's generator in a part comes from a seed of (seed, step, part).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from manifests.splits.seeds import derive
from train.fitting.distributed import everyone, share_buffers, summed
from train.fitting.divergence import Exploded
from train.fitting.run_state import Run
from train.fitting.schedule import rate_factor


class Told(NamedTuple):
    """What a rank says of a step: its parts' losses by name, and training seconds so far."""

    losses: dict[int, dict[str, float]]
    seconds: float


def learn(run: Run, parts: Sequence[Any], numbers: Sequence[int], of: int) -> dict[str, float]:
    """Trains on this rank's parts, which are `numbers` of the `of` parts of the step. Returns the losses by
    name, means over all parts, and the players' gradient norms. Exploded, before any weight is changed, if
    losses or gradients are not fit to learn from."""
    progress = run.progress
    factor = rate_factor(run.step, progress, run.config.optimiser)
    gradients: dict[str, list[Tensor | None]] = {
        name: [None] * len(parameters) for name, parameters in run.parameter_groups.items()
    }
    losses: dict[int, dict[str, float]] = {}
    for number, part in zip(numbers, parts, strict=True):
        torch.manual_seed(derive(run.config.seed, "noise", run.step, number) % 2**63)
        losses[number] = _part(run, part, progress, gradients, 1.0 / of)
    told = everyone(run.fabric, Told(losses, run.time()))
    run.seconds = told[0].seconds
    every = dict(sorted((number, some) for rank in told for number, some in rank.losses.items()))
    run.usual.check(every)

    norms: dict[str, float] = {}
    for name, parameters in run.parameter_groups.items():
        shared = summed(run.fabric, gradients[name], parameters)
        if all(gradient is None for gradient in shared):
            continue
        for parameter, gradient in zip(parameters, shared, strict=True):
            parameter.grad = gradient
        largest = run.config.optimiser.clips.get(name, run.config.optimiser.clip)
        norms[f"{name}_gradient"] = float(nn.utils.clip_grad_norm_(parameters, largest))
    for name, norm in norms.items():
        if not math.isfinite(norm):
            raise Exploded(f"{name} is {norm}", list(every))
    for name, optimiser in run.optimisers.items():
        if f"{name}_gradient" in norms:
            for group in optimiser.param_groups:
                group["lr"] = run.config.optimiser.learning_rate * factor
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
    share_buffers(run.fabric, run.system)
    run.average.update(run.system, run.step)
    run.step += 1
    return mean_losses(every) | norms


def _part(
    run: Run, part: Any, progress: float, gradients: dict[str, list[Tensor | None]], weight: float
) -> dict[str, float]:
    """Adds one part's gradients, times `weight`, to each player's; returns its losses by name."""
    found: dict[str, Tensor] = {}
    with run.fabric.autocast():
        for turn in run.system.training_losses(part, progress):
            total = weight * torch.stack(list(turn.losses.values())).sum()
            # Each turn's gradients reach its own player only: the others' are never kept.
            new = torch.autograd.grad(total, run.parameter_groups[turn.group], allow_unused=True)
            kept = gradients[turn.group]
            for place, gradient in enumerate(new):
                before = kept[place]
                if gradient is not None:
                    kept[place] = gradient if before is None else before + gradient
            found |= {name: value.detach() for name, value in turn.losses.items()}
    values = torch.stack(list(found.values())).float().tolist()
    return dict(zip(found, values, strict=True))


def mean_losses(every: dict[int, dict[str, float]]) -> dict[str, float]:
    """Each loss's mean over the parts that have it."""
    names = dict.fromkeys(name for losses in every.values() for name in losses)
    return {
        name: math.fsum(losses[name] for losses in every.values() if name in losses)
        / sum(name in losses for losses in every.values())
        for name in names
    }
