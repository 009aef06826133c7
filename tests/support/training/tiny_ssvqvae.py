"""A very small SS-VQ-VAE."""

from __future__ import annotations

from tests.support.training.baseline_systems import SS_VQ_VAE
from train.config import RunConfig, parse_config


def tiny_config(**changes: object) -> RunConfig:
    settings = {
        "system": "ss-vq-vae", "steps": 3, "batch": 2, "validation_pairs": 0, "data": {"pool_blocks": 1},
        "model": SS_VQ_VAE,
    }  # fmt: skip
    return parse_config({**settings, **changes}, "test")
