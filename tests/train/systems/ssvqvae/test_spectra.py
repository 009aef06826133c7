"""Griffin-Lim recovers a sound from its exact magnitudes."""

from __future__ import annotations

import numpy as np
import torch

from tests.support.training.baseline_systems import sound
from train.systems.ssvqvae.spectra import griffin_lim, log_magnitudes


def test_griffin_lim_recovers_exact_magnitudes() -> None:
    clip = torch.from_numpy(sound(1.0, rate=16_000))[None]
    spectra = log_magnitudes(clip)
    errors = [
        float((log_magnitudes(griffin_lim(spectra, 16_000, steps)) - spectra).square().mean())
        for steps in (1, 60)
    ]
    assert errors[1] < 0.25 * errors[0]
    np.testing.assert_array_equal(griffin_lim(spectra, 16_000, 3), griffin_lim(spectra, 16_000, 3))
