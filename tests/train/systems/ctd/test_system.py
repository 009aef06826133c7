"""CTD: published sizes, shapes, and sizes that are refused."""

from __future__ import annotations

import pytest
import torch

from manifests.types import InputError
from tests.support.paths import TRAIN_CONFIGS
from tests.support.training.baseline_systems import RATE
from tests.support.training.tiny_ctd import SIZES, tiny_config
from train.config import load_config
from train.systems.base import Format
from train.systems.ctd.config import BANDS, CTDConfig
from train.systems.ctd.cqt import BINS
from train.systems.ctd.system import CTD


def count(*modules: torch.nn.Module) -> float:
    return sum(p.numel() for module in modules for p in module.parameters()) / 1e6


def test_the_published_sizes() -> None:
    config = load_config(TRAIN_CONFIGS / "ctd.yaml")
    with torch.device("meta"):
        model = CTD(config.model, Format(RATE, 3.0, ("one",)))
    assert count(model.autoencoder.encoder) == pytest.approx(6.0, rel=0.02)
    assert count(model.autoencoder.decoder) == pytest.approx(13.5, rel=0.02)
    assert count(model.adversary) == pytest.approx(0.35, rel=0.02)
    assert count(model.unet) == pytest.approx(46.4, rel=0.02)
    assert config.model.hop == 512
    assert (config.batch, config.optimiser.learning_rate, config.optimiser.ema) == (64, 1e-4, 0.999)


def test_intermediate_shapes() -> None:
    config = CTDConfig()
    with torch.device("meta"):
        model = CTD(config, Format(RATE, 3.0, ("one",)))
        latents = model.autoencoder.encoder(torch.zeros(2, BANDS, 16 * 64))
        timbre = model.timbre(latents)
        structure = model.structure(torch.zeros(2, BINS, 16))
        made = model.unet(latents, torch.zeros(2), timbre, structure)
        logits = model.adversary(structure)
    assert latents.shape == made.shape == (2, 32, 16)
    assert timbre.shape == logits.shape == (2, 16)
    assert structure.shape == (2, 16, 16)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strides": [2, 2]}, "multipliers: expected one more than strides"),
        ({"unet_ratios": [1]}, "unet_ratios: expected as many as unet_channels"),
        ({"unet_heads": 3}, "unet_channels: expected the last two to be multiples of unet_heads"),
        ({"confusion_from": 0.7}, "confusion_full: expected confusion_from or later"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=f"^test: model: {message}[^{{]*$"):
        tiny_config(model={**SIZES, **changes})
