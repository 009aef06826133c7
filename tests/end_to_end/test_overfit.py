"""Baselines overfit a dozen clips and come near the bound of their oracles.

The distance is floored MSTFT at the system's own rate. An oracle is a target through the system's own way
back to audio alone: exact magnitudes through Griffin-Lim, or the encoder's own latents through the decoder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from manifests.dataset.clip_audio import as_float
from manifests.dataset.layout import Layout
from tests.support.synthetic_dataset import make_dataset
from tests.support.training.baseline_systems import distance, take_examples
from train.checkpoint import load_system
from train.codec.api import Codec
from train.config import parse_config
from train.fitting.loop import fit

CLIPS = 12
"""2 timbres x 2 envelopes x 3 phrases: each clip has two partners of its sound."""

SETTINGS: dict[str, dict[str, Any]] = {
    "ss-vq-vae": {
        "steps": 500,
        "optimiser": {
            "learning_rate": 2e-3, "betas": [0.9, 0.999], "weight_decay": 0, "warmup_steps": 10,
            "decay": 0.7, "clip": 1000, "ema": 0.9,
        },
        "model": {"width": 256, "codes": 256},
    },
    "ctd": {
        # No discriminator, an adversary without weight, no dropout, no guidance.
        "seed": 1, "steps": 1400,
        "optimiser": {
            "learning_rate": 2e-3, "betas": [0.9, 0.999], "warmup_steps": 10, "decay": 0.3, "ema": 0.98,
        },
        "model": {
            "channels": 8, "multipliers": [1, 2, 4, 8], "strides": [4, 4, 4], "decoder_scale": 2.0,
            "latent": 16, "discriminator_channels": 4, "timbre_channels": [32, 32, 32, 32],
            "structure_channels": [32, 32, 32, 32], "adversary_channels": 32,
            "unet_channels": [48, 64, 64, 96], "unet_embedding": 32,
            "crop_seconds": 0.5, "autoencoder_batch": 4, "sampling_steps": 20, "adversarial_weight": 0,
            "feature_matching_weight": 0, "confusion_weight": 0, "structure_dropout": 0, "timbre_dropout": 0,
            "timbre_guidance": 1, "structure_guidance": 1,
        },
    },
}  # fmt: skip


class Distances(NamedTuple):
    """Mean distances of the oracle, of conversions by a partner, by the clip itself, and of silence."""

    oracle: float
    partner: float
    itself: float
    silence: float


def distances(codec: Codec, layout: Layout) -> Distances:
    """Measures the mean distances to the training clips."""
    rows = []
    for example in take_examples(layout, codec.system, CLIPS):
        target, partner = as_float(example.target.audio), as_float(example.envelope.audio)
        reconstructed = codec.oracle(target)
        assert reconstructed is not None
        sounds = (reconstructed, codec.convert(target, partner).audio, codec.convert(target, target).audio)
        own = codec.own_rate
        rows.append([distance(sound, target, codec.rate, own) for sound in (*sounds, 0.0 * target)])
    return Distances(*np.mean(rows, axis=0).tolist())


@pytest.mark.verify
@pytest.mark.parametrize("name", SETTINGS)
def test_a_dozen_clips_are_overfitted(name: str, tmp_path: Path) -> None:
    """Given content and style of two clips that share only the sound, the third comes out; and given a clip
    as its own reference, a combination that was never trained, about the same."""
    layout = make_dataset(tmp_path / "set", train=(2, 2, 6), block=(2, 2, 3), seconds=0.5)
    shared = {"system": name, "batch": CLIPS, "validation_pairs": 0, "data": {"pool_blocks": 1}}
    config = parse_config({**shared, **SETTINGS[name]}, "test")
    fit(config, layout.root, tmp_path / "run")
    system, _, _ = load_system(tmp_path / "run" / "last.safetensors")
    result = distances(Codec(system, name), layout)
    print(name, result)
    assert result.oracle < 0.5 * result.silence
    assert result.partner <= 1.5 * result.oracle
    assert result.itself <= 1.5 * result.oracle
