"""Scores conversions with known targets by the two headline metrics. All variants get the same pairs."""

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
"""Seed of the draw of pairs, the same for all runs."""
SCORED_METRICS = tuple(metric for metric in METRICS if metric.name in HEADLINES)

Convert = Callable[[Example], Audio]
"""Converts an example's source: float32 [frames] at the dataset's rate."""
Scores = dict[str, dict[str, list[list[float]]]]
"""By split and kind, a list for each pair: its scores in the order of `SCORED_METRICS`."""


class Trial(NamedTuple):
    """A pair as a training example, and the features of its target."""

    split: str
    kind: str
    example: Example
    target: SpectralFeatures


def draw_trials(tables: Tables, splits: Sequence[str], pairs: int) -> list[Trial]:
    """Draws `pairs` trials of each kind in each split and reads their clips."""
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
            split, pair.kind, pair_example(pair, clips), spectral_features(as_float(clips[pair.target].audio))
        )
        for split, pair in drawn
    ]  # fmt: skip


def _clip(tables: Tables, key: str, audio: np.ndarray) -> Clip:
    id = ClipId.parse(key)
    # Only training needs the normalising gain, so 1 stands for it.
    return Clip(id, audio, tables.sounding_notes(id.timbre, id.phrase), tables.envelopes[id.envelope], 1.0)


def pair_example(pair: Pair, clips: dict[str, Clip]) -> Example:
    """Returns a pair as an example:

    the source gives the content, and whatever is not taken from the reference.
    """
    source, reference, takes = clips[pair.source], clips[pair.reference], TAKES[pair.kind]
    return Example(
        pair.kind, clips[pair.target], source,
        reference if "timbre" in takes else source, reference if "envelope" in takes else source, seed=0,
    )  # fmt: skip


def convert_from_recordings(system: System) -> Convert:
    """Returns a function that converts from the recordings alone, as `System.convert` does."""

    def convert(example: Example) -> Audio:
        source = as_float(example.content.audio)
        others = [clip for clip in (example.timbre, example.envelope) if clip is not example.content]
        reference = as_float(others[0].audio) if others else None
        return system.convert(ConversionRequest(source, reference, TAKES[example.kind])).audio

    return convert


def score_trials(convert: Convert, trials: Sequence[Trial]) -> Scores:
    """Converts and scores every trial."""
    scores: Scores = {}
    for trial in trials:
        comparison = SpectralComparison(spectral_features(convert(trial.example)), trial.target)
        values = [metric.compute(comparison, metric.floor) for metric in SCORED_METRICS]
        scores.setdefault(trial.split, {}).setdefault(trial.kind, []).append(values)
    return scores
