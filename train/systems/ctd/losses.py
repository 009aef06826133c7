"""What the autoencoder learns from beside mel bands: spectra of the filter bank's bands, the hinge game."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from train.audio.spectral import magnitudes
from train.nn.discriminator import DiscriminatorOutput

BAND_WINDOWS = (256, 128, 64)
FLOOR = 1e-5
LARGEST = 3.0
"""Latents beyond this cost."""


def multiband_distance(estimate_BMT: Tensor, target_BMT: Tensor) -> Tensor:
    """L1 of log10 and of linear STFT magnitudes of every band, mean over three windows."""
    with torch.autocast(estimate_BMT.device.type, enabled=False):
        terms = []
        for window in BAND_WINDOWS:
            ours, theirs = (
                magnitudes(bands.flatten(0, 1), window, window // 4, FLOOR)
                for bands in (estimate_BMT, target_BMT)
            )
            terms.append(F.l1_loss(ours.log10(), theirs.log10()) + F.l1_loss(ours, theirs))
        return torch.stack(terms).mean()


def range_loss(latents_BDF: Tensor) -> Tensor:
    """mean ELU(|z| - 3): keeps latents within a range."""
    return F.elu(latents_BDF.float().abs() - LARGEST).mean()


def hinge_discriminator_loss(real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Tensor:
    """Real above 1, fake below -1."""
    terms = [
        F.relu(1.0 - r).mean() + F.relu(1.0 + f).mean() for r, f in zip(real.logits, fake.logits, strict=True)
    ]
    return torch.stack(terms).mean()


def hinge_generator_loss(fake: DiscriminatorOutput) -> Tensor:
    """Fake as high as can be."""
    return torch.stack([-logit.mean() for logit in fake.logits]).mean()
