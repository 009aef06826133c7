"""Validation while training: real conversions of held-out pairs, scored with the project's own metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from manifests.dataset.clip_audio import as_float
from train.data.clips import read_clips
from train.data.pairs import KINDS, TAKES, Pair, draw_pairs
from train.data.tables import Tables
from train.metrics import SpectralFeatures, score, spectral_features
from train.systems.base import Audio, ConversionRequest, System

METRIC = "mstft_floored"


@dataclass(frozen=True, slots=True)
class Trial:
    """A pair with its audio."""

    pair: Pair
    source: Audio
    reference: Audio
    target: Audio


class Judgement(NamedTuple):
    """Mean floored MSTFT of each kind of conversion (lower is better), and what was converted, by trial."""

    scores: dict[str, float]
    converted: list[Audio]


class Judge:
    """A few validation pairs of each kind, kept in memory, on which weights are compared."""

    def __init__(self, tables: Tables, pairs: int, seed: int) -> None:
        drawn = [
            pair for kind in KINDS for pair in draw_pairs(tables.layout, "validation", kind, pairs, seed)
        ]
        keys = [key for pair in drawn for key in (pair.source, pair.reference, pair.target)]
        clips = {key: as_float(pcm) for key, pcm in read_clips(tables.layout, keys).items()}
        self.trials = [Trial(p, clips[p.source], clips[p.reference], clips[p.target]) for p in drawn]
        self._targets: list[SpectralFeatures] = [
            spectral_features(trial.target, trial.pair.target) for trial in self.trials
        ]

    @torch.no_grad()
    def judge(self, system: System) -> Judgement:
        """Converts and scores every trial."""
        values: dict[str, list[float]] = {kind: [] for kind in KINDS}
        converted = []
        for trial, target in zip(self.trials, self._targets, strict=True):
            made = system.convert(ConversionRequest(trial.source, trial.reference, TAKES[trial.pair.kind]))
            values[trial.pair.kind].append(score(spectral_features(made.audio), target)[METRIC])
            converted.append(made.audio)
        return Judgement({kind: float(np.mean(found)) for kind, found in values.items() if found}, converted)
