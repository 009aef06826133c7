"""Baseline systems of the smallest sizes, with sounds, examples and a distance at their own rate."""

from __future__ import annotations

import numpy as np

import tests.support.training.tiny_ctd
from manifests.dataset.layout import Layout
from train.audio.resampling import resample
from train.data.examples import Example
from train.data.loader import Loader
from train.data.shards import ShardSource
from train.data.tables import Tables
from train.metrics import score, spectral_features
from train.systems.base import Audio, System

RATE = 44_100
SS_VQ_VAE = {"width": 12, "codes": 8, "griffin_lim_steps": 4}
SYNTHCLONER = {
    "latent": 16, "encoder_channels": 2, "decoder_channels": 32, "lstm_layers": 1, "codebooks": 2,
    "codes": 16, "timbre_layers": 1, "timbre_heads": 2, "timbre_hidden": 16, "envelope_hidden": 4,
    "discriminator_channels": 2, "periods": [2, 3], "discriminator_windows": [512], "crop_seconds": 0.5,
}  # fmt: skip
SIZES = {"ctd": tests.support.training.tiny_ctd.SIZES, "ss-vq-vae": SS_VQ_VAE, "synthcloner": SYNTHCLONER}
"""Of every baseline, as small as it gets."""


def sound(seconds: float, seed: int = 0, rate: int = RATE) -> Audio:
    time = np.arange(round(seconds * rate)) / rate
    tone = np.sin(2 * np.pi * 220 * (1 + seed) * time) * np.exp(-3 * (time % 0.5))
    return np.asarray(0.5 * tone, dtype=np.float32)


def take_examples(layout: Layout, system: System, count: int) -> list[Example]:
    with Loader(ShardSource(Tables.open(layout.root)), system.kinds, 1, 1, 1) as loader:
        return [example for example, _ in zip(loader, range(count), strict=False)]


def distance(estimate: Audio, target: Audio, rate: int, own: int) -> float:
    """Returns the floored MSTFT of an estimate at the system's own rate."""
    low, aim = (resample(audio, rate, own) for audio in (estimate, target))
    return score(spectral_features(low), spectral_features(aim))["mstft_floored"]
