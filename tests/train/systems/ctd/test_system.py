"""CTD: published sizes, filter bank, constant-Q spectrum, and odd inputs."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from manifests.types import InputError
from tests.support.paths import TRAIN_CONFIGS
from tests.support.training.baseline_systems import RATE
from tests.support.training.tiny_ctd import SIZES, tiny
from train.config import load_config
from train.systems import build
from train.systems.base import Format
from train.systems.ctd.config import BANDS, CTDConfig
from train.systems.ctd.cqt import BINS, BINS_AN_OCTAVE, SCALE, cqt_power, frequencies
from train.systems.ctd.pqmf import PQMF
from train.systems.ctd.system import CTD


@pytest.fixture(scope="module")
def system() -> CTD:
    built = build("ctd", tiny().model, Format(RATE, 3.0, ("one",)), seed=4)
    assert isinstance(built, CTD)
    return built.eval()


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


def test_shapes_on_the_way() -> None:
    config = CTDConfig()
    with torch.device("meta"):
        model = CTD(config, Format(RATE, 3.0, ("one",)))
        latents = model.autoencoder.encoder(torch.zeros(2, BANDS, 16 * 64))
        timbre = model.timbre(latents)
        structure = model.structure(torch.zeros(2, BINS, 16))
        made = model.unet(latents, torch.zeros(2), timbre, structure)
        told = model.adversary(structure)
    assert latents.shape == made.shape == (2, 32, 16)
    assert timbre.shape == told.shape == (2, 16)
    assert structure.shape == (2, 16, 16)


def test_the_filter_bank_gives_back_what_it_was_given() -> None:
    bank = PQMF(BANDS)
    noise = np.random.default_rng(1).standard_normal(16_384)
    slide = np.sin(2 * np.pi * np.cumsum(np.linspace(20, 0.49 * RATE, 16_384)) / RATE)
    for clip in (noise, slide):
        clip[:600] = clip[-600:] = 0.0
        audio = torch.from_numpy(clip.astype(np.float32))[None]
        bands = bank.analyse(audio)
        assert bands.shape == (1, BANDS, 2048)
        back = bank.synthesise(bands)
        error = (back - audio).square().mean() / audio.square().mean()
        assert 10 * math.log10(float(error)) < -60.0


def test_each_band_holds_its_part_of_the_spectrum() -> None:
    time = torch.arange(8192) / RATE
    for band in range(BANDS):
        tone = torch.sin(2 * math.pi * (band + 0.5) * RATE / 16 * time)[None]
        energy = PQMF(BANDS).analyse(tone)[0, :, 50:-50].square().mean(-1)
        assert int(energy.argmax()) == band
        assert energy.sum() - energy[band] < 1e-6 * energy[band]


def test_the_constant_q_spectrum_of_sines() -> None:
    time = torch.arange(RATE) / RATE
    for number in (40, 100, 101, 200):
        tone = 0.5 * torch.sin(2 * math.pi * frequencies()[number] * time)[None]
        power = cqt_power(tone, 512, RATE)
        assert power.shape == (1, BINS, -(-RATE // 512))
        middle = power[0, :, 40:46].mean(-1)
        assert int(middle.argmax()) == number
        assert float(middle[number]) == pytest.approx((SCALE * 0.25) ** 2, rel=0.05)
        assert float(middle[number + 3]) < 1e-3 * float(middle[number])
    assert frequencies()[BINS_AN_OCTAVE] == pytest.approx(2 * frequencies()[0])


def test_the_constant_q_spectrum_tells_when() -> None:
    click = torch.zeros(1, RATE)
    click[0, 20 * 512 + 100] = 1.0
    power = cqt_power(click, 512, RATE)[0]
    for octave in range(3, 8):
        assert int(power[octave * BINS_AN_OCTAVE : (octave + 1) * BINS_AN_OCTAVE].sum(0).argmax()) == 20
    low = cqt_power(torch.randn(1, 4000, generator=torch.Generator().manual_seed(1)), 512, 8000)
    assert float(low[:, -BINS_AN_OCTAVE:].abs().max()) == 0.0  # above half the rate there is nothing


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
        tiny(model={**SIZES, **changes})
