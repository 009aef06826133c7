"""What the tests of the baselines share: sounds, examples, and a distance at a system's own rate."""

from __future__ import annotations

import numpy as np

from manifests.layout import Layout
from train.audio import resample
from train.data.examples import Example
from train.data.loader import Loader
from train.data.shards import Shards
from train.data.tables import Tables
from train.metrics import describe, score
from train.systems.base import Audio, System

RATE = 44_100


def sound(seconds: float, seed: int = 0, rate: int = RATE) -> Audio:
    time = np.arange(round(seconds * rate)) / rate
    tone = np.sin(2 * np.pi * 220 * (1 + seed) * time) * np.exp(-3 * (time % 0.5))
    return np.asarray(0.5 * tone, dtype=np.float32)


def examples_of(layout: Layout, system: System, count: int) -> list[Example]:
    with Loader(Shards(Tables.open(layout.root)), system.kinds, 1, 1, 1) as loader:
        return [example for example, _ in zip(loader, range(count), strict=False)]


def distance(estimate: Audio, target: Audio, rate: int, own: int) -> float:
    """Floored MSTFT of an estimate at the system's own rate."""
    low, aim = (resample(audio, rate, own) for audio in (estimate, target))
    return score(describe(low), describe(aim))["mstft_floored"]
