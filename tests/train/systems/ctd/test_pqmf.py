"""The PQMF filter bank: near-perfect reconstruction, and one band's part of the spectrum."""

from __future__ import annotations

import math

import numpy as np
import torch

from tests.support.training.baseline_systems import RATE
from train.systems.ctd.config import BANDS
from train.systems.ctd.pqmf import PQMF


def test_the_filter_bank_reconstructs_its_input() -> None:
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
