"""Validates during training: converts held-out pairs, and scores them with the evaluation's metric."""

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
"""The score of a conversion, by its name in `train.metrics`; lower is better."""


@dataclass(frozen=True, slots=True)
class PairAudio:
    """A pair with its clips, each float32 [samples] at the dataset's rate, full scale 1."""

    pair: Pair
    source: Audio
    reference: Audio
    target: Audio


class ValidationResult(NamedTuple):
    """The result of a validation.

    Attributes:
        scores: Mean floored MSTFT by kind of conversion; lower is better.
        conversions: The converted audio of each pair, float32 [samples].
    """

    scores: dict[str, float]
    conversions: list[Audio]


class Validator:
    """Scores a system on a few validation pairs of each kind, which it keeps in memory.

    Args:
        tables: The dataset's tables.
        pairs: Pairs of each kind.
        seed: Seed of the choice of pairs.

    Raises InputError if the validation split holds too few pairs, or its clips cannot be read.

    Example::

        scores, conversions = Validator(tables, pairs=4, seed=0).validate(system)
    """

    def __init__(self, tables: Tables, pairs: int, seed: int) -> None:
        drawn = [
            pair for kind in KINDS for pair in draw_pairs(tables.layout, "validation", kind, pairs, seed)
        ]
        keys = [key for pair in drawn for key in (pair.source, pair.reference, pair.target)]
        clips = {key: as_float(pcm) for key, pcm in read_clips(tables.layout, keys).items()}
        self.pairs = [PairAudio(p, clips[p.source], clips[p.reference], clips[p.target]) for p in drawn]
        self._targets: list[SpectralFeatures] = [
            spectral_features(audio.target, audio.pair.target) for audio in self.pairs
        ]

    @torch.no_grad()
    def validate(self, system: System) -> ValidationResult:
        """Converts every pair and scores it against its target."""
        values: dict[str, list[float]] = {kind: [] for kind in KINDS}
        conversions = []
        for audio, target in zip(self.pairs, self._targets, strict=True):
            kind = audio.pair.kind
            request = ConversionRequest(audio.source, audio.reference, TAKES[kind])
            converted = system.convert(request).audio
            values[kind].append(score(spectral_features(converted), target)[METRIC])
            conversions.append(converted)
        means = {kind: float(np.mean(scores)) for kind, scores in values.items() if scores}
        return ValidationResult(means, conversions)
