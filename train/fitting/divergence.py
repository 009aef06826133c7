"""Watches the losses of a run: what is not finite, or keeps far above what was usual, ends it."""

from __future__ import annotations

import math

TIMES = 100.0
"""A step is amiss if its losses sum up to so many times what is usual."""

STEPS = 3
"""So many steps amiss, one after the other, end a run: a single one is what clipping is for."""

SETTLED = 20
"""Steps before which a run may do what it likes."""


class Exploded(Exception):
    """What is amiss with a step, and in which of its parts."""

    def __init__(self, what: str, parts: list[int]) -> None:
        super().__init__(what)
        self.what, self.parts = what, parts


class Usual:
    """The running mean of the size of a step's losses (the sum of their magnitudes), and the lowest that it
    has been: what is usual. An explosion that takes its time carries the mean along, but not the lowest."""

    def __init__(self) -> None:
        self.mean = 0.0
        self.lowest = math.inf
        self.steps = 0
        self.amiss = 0

    def check(self, losses: dict[int, dict[str, float]]) -> None:
        """Counts a step whose parts have these losses by name; Exploded if it should be the run's last."""
        for part, named in losses.items():
            for name, value in named.items():
                if not math.isfinite(value):
                    raise Exploded(f"loss {name!r} is {value}", [part])
        sizes = {part: math.fsum(abs(value) for value in named.values()) for part, named in losses.items()}
        size = math.fsum(sizes.values()) / len(sizes)
        if self.steps >= SETTLED and size > TIMES * self.lowest:
            self.amiss += 1
            if self.amiss == STEPS:
                worst = max(sizes, key=lambda part: sizes[part])
                raise Exploded(f"losses of {size:.3g} in all, usual is {self.lowest:.3g}", [worst])
            return
        self.amiss = 0
        self.steps += 1
        self.mean += (size - self.mean) / min(self.steps, 100)
        self.lowest = min(self.lowest, self.mean)

    def state(self) -> list[float]:
        return [self.mean, self.lowest, float(self.steps), float(self.amiss)]

    def load(self, state: list[float]) -> None:
        mean, lowest, steps, amiss = state
        self.mean, self.lowest, self.steps, self.amiss = float(mean), float(lowest), int(steps), int(amiss)
