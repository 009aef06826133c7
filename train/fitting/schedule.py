"""Computes the learning rate of each step, and averages the weights over steps."""

from __future__ import annotations

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from train.config import OptimiserConfig

Tensors = tuple[Tensor, ...] | list[Tensor]


def lr_factor(step: int, progress: float, config: OptimiserConfig) -> float:
    """Returns the factor on the learning rate at a step, counted from 0.

    It is a product of three factors: a linear warm-up over `warmup_steps`, `lr_gamma` to the power of the
    step, and a linear decay to 0 over the last share `decay`. `progress` is the share of the run done,
    0..1.
    """
    factor = min(1.0, (step + 1) / max(1, config.warmup_steps)) * config.lr_gamma**step
    return factor * min(1.0, (1.0 - progress) / config.decay) if config.decay else factor


class WeightEMA(AveragedModel):
    """An exponential moving average of a module's parameters: the weights that are validated and saved.

    The decay is `decay`, but at most n / (n + 9) at update n, counted from 1. The initial weights are thus
    soon forgotten. Buffers (running statistics, scales, counts) are copied from the module.

    Example::

        ema = WeightEMA(system, decay=0.999)
        ema.update_parameters(system)  # after each step
        ema.module.eval()
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        super().__init__(module, multi_avg_fn=self._average)
        self.decay = decay
        # The initial weights count as the first model. From 0, the first update would replace them.
        self.n_averaged.fill_(1)

    def _average(self, averages: Tensors, weights: Tensors, count: Tensor | int) -> None:
        # `count` may be on the GPU, where reading it would wait for the device.
        models = int(self.n_averaged)
        decay = min(self.decay, models / (models + 9))
        get_ema_multi_avg_fn(decay)(averages, weights, count)  # type: ignore[no-untyped-call]

    def resume(self, weights: dict[str, Tensor], step: int) -> None:
        """Restores the average after `step` updates from its weights, by their names in the module.

        Raises RuntimeError if names or shapes do not match the module.
        """
        self.module.load_state_dict(weights)
        self.n_averaged.fill_(step + 1)
