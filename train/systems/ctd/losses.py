"""Losses of the autoencoder beside the mel distance: band spectra, latent range, hinge GAN.

Shape suffixes: B clips, M bands, T samples, D latent channels, F latent frames.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from train.audio.spectral import magnitudes
from train.nn.discriminator import DiscriminatorOutput

BAND_WINDOWS = (256, 128, 64)
"""STFT windows of the bands, in samples of a band."""
FLOOR = 1e-5
"""Smallest magnitude before the logarithm."""
LARGEST = 3.0
"""Magnitude of latents above which the range loss grows."""


def multiband_distance(estimate_BMT: Tensor, target_BMT: Tensor) -> Tensor:
    """Computes the L1 distance of log10 and linear STFT magnitudes of the bands, over three windows."""
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
    """Computes mean ELU(|z| - 3), which keeps latents in a range."""
    return F.elu(latents_BDF.float().abs() - LARGEST).mean()


def hinge_discriminator_loss(real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Tensor:
    """Computes the hinge loss of the discriminator: real logits above 1, fake ones below -1."""
    terms = [
        F.relu(1.0 - r).mean() + F.relu(1.0 + f).mean() for r, f in zip(real.logits, fake.logits, strict=True)
    ]
    return torch.stack(terms).mean()


def hinge_generator_loss(fake: DiscriminatorOutput) -> Tensor:
    """Computes the hinge loss of the generator: the negative mean of fake logits."""
    return torch.stack([-logit.mean() for logit in fake.logits]).mean()
