"""Conversions with known answers, scored by the two floored headlines: the same pairs for every variant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from manifests.dataset.clip_audio import as_float
from manifests.types import ClipId
from train.data.clips import read_clips
from train.data.examples import Clip, Example
from train.data.pairs import KINDS, TAKES, Pair, draw_pairs
from train.data.tables import Tables
from train.metrics import HEADLINES, METRICS, SpectralFeatures, spectral_features
from train.metrics.spectral import SpectralComparison
from train.systems.base import Audio, ConversionRequest, System

SEED = 11
"""Of the pairs: no run's own."""
SCORED = tuple(metric for metric in METRICS if metric.name in HEADLINES)

Convert = Callable[[Example], Audio]
Scores = dict[str, dict[str, list[list[float]]]]
"""By split and kind, for each pair the headlines in order."""


class Trial(NamedTuple):
    """A pair as the example it would be in training, and its target to be scored against."""

    split: str
    kind: str
    example: Example
    target: SpectralFeatures


def trials_of(tables: Tables, splits: Sequence[str], pairs: int) -> list[Trial]:
    """`pairs` trials of each kind in each split."""
    drawn = [
        (split, pair)
        for split in splits
        for kind in KINDS
        for pair in draw_pairs(tables.layout, split, kind, pairs, SEED)
    ]
    keys = [key for _, pair in drawn for key in (pair.source, pair.reference, pair.target)]
    clips = {key: _clip(tables, key, audio) for key, audio in read_clips(tables.layout, keys).items()}
    return [
        Trial(
            split, pair.kind, example_of(pair, clips), spectral_features(as_float(clips[pair.target].audio))
        )
        for split, pair in drawn
    ]  # fmt: skip


def _clip(tables: Tables, key: str, audio: np.ndarray) -> Clip:
    id = ClipId.parse(key)
    # What a target was normalised with is for training alone.
    return Clip(id, audio, tables.sounding_notes(id.timbre, id.phrase), tables.envelopes[id.envelope], 1.0)


def example_of(pair: Pair, clips: dict[str, Clip]) -> Example:
    """A pair with the roles that its clips have."""
    source, reference, takes = clips[pair.source], clips[pair.reference], TAKES[pair.kind]
    return Example(
        pair.kind, clips[pair.target], source,
        reference if "timbre" in takes else source, reference if "envelope" in takes else source, seed=0,
    )  # fmt: skip


def by_recordings(system: System) -> Convert:
    """Conversion as it is used: from the recordings alone."""

    def convert(example: Example) -> Audio:
        source = as_float(example.content.audio)
        others = [clip for clip in (example.timbre, example.envelope) if clip is not example.content]
        reference = as_float(others[0].audio) if others else None
        return system.convert(ConversionRequest(source, reference, TAKES[example.kind])).audio

    return convert


def scores_of(convert: Convert, trials: Sequence[Trial]) -> Scores:
    """Every trial's scores."""
    found: Scores = {}
    for trial in trials:
        match = SpectralComparison(spectral_features(convert(trial.example)), trial.target)
        values = [metric.compute(match, metric.floor) for metric in SCORED]
        found.setdefault(trial.split, {}).setdefault(trial.kind, []).append(values)
    return found
