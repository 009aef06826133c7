"""The constant-Q spectrum of sines and of an onset."""

from __future__ import annotations

import math

import pytest
import torch

from tests.support.training.baseline_systems import RATE
from train.systems.ctd.cqt import BINS, BINS_AN_OCTAVE, SCALE, cqt_power, frequencies


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


def test_the_constant_q_spectrum_resolves_an_onset() -> None:
    click = torch.zeros(1, RATE)
    click[0, 20 * 512 + 100] = 1.0
    power = cqt_power(click, 512, RATE)[0]
    for octave in range(3, 8):
        assert int(power[octave * BINS_AN_OCTAVE : (octave + 1) * BINS_AN_OCTAVE].sum(0).argmax()) == 20
    low = cqt_power(torch.randn(1, 4000, generator=torch.Generator().manual_seed(1)), 512, 8000)
    assert float(low[:, -BINS_AN_OCTAVE:].abs().max()) == 0.0  # above the Nyquist frequency there is no power
