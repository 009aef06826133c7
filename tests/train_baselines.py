"""What the tests of the baselines share: sounds, examples, and how near a system comes to a clip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from manifests.layout import Layout
from train.audio import resample
from train.conversion import Codec
from train.data.examples import Example
from train.data.loader import Loader
from train.data.shards import Shards
from train.data.tables import Tables
from train.judge import as_float
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


@dataclass
class Overfit:
    """Mean floored MSTFT to the target at the system's own rate: of its oracle, of clips converted by their
    partners, and of clips converted by themselves."""

    oracle: float
    converted: float
    itself: float


def measure(system: System, examples: list[Example]) -> Overfit:
    codec, rate, own = Codec(system, "test"), system.format.rate, system.own_rate
    rows = []
    for example in examples:
        target, partner = as_float(example.target.audio), as_float(example.envelope.audio)
        heard = codec.oracle(target)
        assert heard is not None
        made = [heard, codec.convert(target, partner).audio, codec.convert(target, target).audio]
        rows.append([distance(audio, target, rate, own) for audio in made])
    return Overfit(*np.mean(rows, axis=0))
