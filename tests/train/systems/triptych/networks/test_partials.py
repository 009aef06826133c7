"""Noise levels between partials: steady partials do not leak into them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from manifests.splits.seeds import stream
from tests.support.training.tiny_codec import RATE
from train.systems.triptych.networks.features import extract_features
from train.systems.triptych.networks.partials import noise_levels


@pytest.mark.parametrize("pitch", [40, 48, 60])
def test_leakage_of_steady_partials_is_not_counted_as_noise(pitch: int) -> None:
    """Low notes have close partials; white noise between them is measured at its level."""
    time = np.arange(8 * 4096) / RATE * 440.0 * 2.0 ** ((pitch - 69) / 12.0)
    tone = 0.1 * sum(np.sin(2 * np.pi * k * time + k) / k for k in range(1, 30))
    hiss = stream(1, "hiss").normal(size=len(time))
    heard = []
    for noise in (0.0, 0.01):
        spectra = extract_features(torch.from_numpy(tone + noise * hiss).float()[None], RATE)
        power = spectra.long_BGC[:, 4:-4].square().mean(1, keepdim=True)
        levels = noise_levels(power, torch.tensor([[440.0 * 2.0 ** ((pitch - 69) / 12.0)]]), 24, RATE)
        heard.append(levels[0, 0].exp().numpy())
    assert heard[0].max() < 0.03
    np.testing.assert_allclose(np.median(heard[1]), 0.01, rtol=0.3)
