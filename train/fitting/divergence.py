"""Detects divergence: losses that are not finite, or stay far above their usual size."""

from __future__ import annotations

import math

EXPLOSION_FACTOR = 100.0
"""A step is an outlier if its losses sum to more than this many times their usual sum."""

MAX_OUTLIERS = 3
"""This many outliers in a row end a run. Gradient clipping copes with a single one."""

SETTLING_STEPS = 20
"""Number of first steps that are never outliers."""


class DivergenceError(Exception):
    """An error about a step whose losses or gradients are unusable.

    Attributes:
        reason: What is wrong with the step.
        micro_batches: Indices of the micro-batches in which it is wrong.
    """

    def __init__(self, reason: str, micro_batches: list[int]) -> None:
        super().__init__(reason)
        self.reason, self.micro_batches = reason, micro_batches


class LossMonitor:
    """Monitors the size of the losses, which is the sum of their magnitudes.

    The usual size is the lowest value that the running mean over 100 steps has had. A slow explosion raises
    the running mean, but not its lowest value.
    """

    def __init__(self) -> None:
        self.mean = 0.0
        self.lowest_mean = math.inf
        self.steps = 0
        self.outliers = 0

    def check(self, losses: dict[int, dict[str, float]]) -> None:
        """Records a step's losses by micro-batch and name.

        Raises DivergenceError if a loss is not finite, and at the third outlier in a row.

        Example: `monitor.check({0: {"stft": 1.2, "mel": 0.7}})` records a step of one micro-batch.
        """
        for index, named in losses.items():
            for name, value in named.items():
                if not math.isfinite(value):
                    raise DivergenceError(f"loss {name!r} is {value}", [index])
        sizes = {index: math.fsum(abs(value) for value in named.values()) for index, named in losses.items()}
        size = math.fsum(sizes.values()) / len(sizes)
        if self.steps >= SETTLING_STEPS and size > EXPLOSION_FACTOR * self.lowest_mean:
            self.outliers += 1
            if self.outliers == MAX_OUTLIERS:
                worst = max(sizes, key=lambda index: sizes[index])
                raise DivergenceError(f"losses sum to {size:.3g}, usual is {self.lowest_mean:.3g}", [worst])
            return
        self.outliers = 0
        self.steps += 1
        self.mean += (size - self.mean) / min(self.steps, 100)
        self.lowest_mean = min(self.lowest_mean, self.mean)

    def state(self) -> list[float]:
        """Returns the state as numbers, for `load`."""
        return [self.mean, self.lowest_mean, float(self.steps), float(self.outliers)]

    def load(self, state: list[float]) -> None:
        """Restores a state of `state`. Raises ValueError or TypeError if it is malformed."""
        mean, lowest_mean, steps, outliers = state
        self.mean, self.lowest_mean = float(mean), float(lowest_mean)
        self.steps, self.outliers = int(steps), int(outliers)
