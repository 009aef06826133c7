"""How the learning rate goes, and the averaged weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from train.config import OptimiserConfig


def rate_factor(step: int, progress: float, config: OptimiserConfig) -> float:
    """The factor on the learning rate: linear warm-up by steps, `falling` to the power of the step, linear
    to 0 over the last `decay` of the run, whose share `progress` is done."""
    warm = min(1.0, (step + 1) / max(1, config.warmup_steps)) * config.falling**step
    return warm * min(1.0, (1.0 - progress) / config.decay) if config.decay else warm


class Average:
    """Exponentially averaged weights of a module: what is validated, kept and shipped.

    Buffers (running statistics, scales, counts) are not learned by steps and are copied as they are.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.learned = {name for name, _ in module.named_parameters()}
        self.weights = {name: value.detach().clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Moves towards the module's weights; early on faster, so that the start is soon forgotten."""
        decay = min(self.decay, (1.0 + step) / (10.0 + step))
        for name, value in module.state_dict().items():
            kept = self.weights[name]
            if name in self.learned:
                kept.lerp_(value.to(kept), 1.0 - decay)
            else:
                kept.copy_(value)

    def state(self) -> dict[str, Tensor]:
        return self.weights

    def load(self, weights: dict[str, Tensor]) -> None:
        self.weights = {name: weights[name].to(kept) for name, kept in self.weights.items()}
