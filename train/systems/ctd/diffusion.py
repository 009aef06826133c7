"""Implements EDM diffusion: preconditioning, loss, noise levels and Heun's sampler.

Karras, Aittala, Aila and Laine, "Elucidating the design space of diffusion-based generative models", NeurIPS
2022, arXiv 2206.00364. The sampler is their deterministic Algorithm 1.

Shape suffixes: B clips, F latent frames, S numbers of a condition; sigma is the standard deviation of the
noise.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from manifests.splits.seeds import stream
from train.systems.ctd.conditions import NO_CONDITION
from train.systems.ctd.config import CTDConfig

Network = Callable[[Tensor, Tensor], Tensor]
"""The network to be preconditioned: (scaled input [B, ...], noise label [B]) -> output [B, ...]."""

Denoiser = Callable[[Tensor, Tensor], Tensor]
"""A denoiser: (noisy data [B, ...], sigma [B]) -> expected clean data [B, ...]."""


def denoise(network: Network, x: Tensor, sigma_B: Tensor, sigma_data: float) -> Tensor:
    """Computes D(x; sigma) = c_skip x + c_out F(c_in x; c_noise), EDM's equation 7.

    The constants are those of table 1. `x` is [B, ...], `sigma_B` its noise levels.
    """
    sigma = sigma_B.view(-1, *(1,) * (x.dim() - 1))
    total = (sigma.square() + sigma_data**2).sqrt()
    out = network(x / total, sigma_B.log() / 4.0).float()
    return (sigma_data / total).square() * x + sigma * sigma_data / total * out


def draw_sigma(count: int, config: CTDConfig, generator: torch.Generator) -> Tensor:
    """Draws noise levels for training, [count]; ln sigma is normal."""
    normal = torch.randn(count, generator=generator, device=generator.device)
    return (config.sigma_log_mean + config.sigma_log_spread * normal).exp()


def denoising_loss(denoised: Tensor, clean: Tensor, sigma_B: Tensor, sigma_data: float) -> Tensor:
    """Computes the mean squared error, weighted so that the loss of every noise level starts at 1.

    The weight is (sigma^2 + sigma_data^2) / (sigma sigma_data)^2, EDM's equation 144.
    """
    weight = (sigma_B.square() + sigma_data**2) / (sigma_B * sigma_data).square()
    return (weight * (denoised - clean).square().flatten(1).mean(1)).mean()


def sampling_sigmas(config: CTDConfig) -> list[float]:
    """Returns the sampler's noise levels, from the highest down to 0: steps + 1 values, EDM's equation 5."""
    low, high = (value ** (1.0 / config.rho) for value in (config.sigma_lowest, config.sigma_highest))
    steps = config.sampling_steps
    shares = [index / max(steps - 1, 1) for index in range(steps)]
    return [*((high + share * (low - high)) ** config.rho for share in shares), 0.0]


def heun_sample(denoiser: Denoiser, noise: Tensor, levels: list[float]) -> Tensor:
    """Samples with Heun's second-order method.

    Args:
        denoiser: the denoiser.
        noise: white noise of unit variance, [B, ...].
        levels: noise levels, from the highest to 0.
    """
    x = noise * levels[0]

    def slope(at: Tensor, sigma: float) -> Tensor:
        return (at - denoiser(at, torch.full((len(at),), sigma, device=at.device))) / sigma

    for now, after in pairwise(levels):
        first = slope(x, now)
        moved = x + (after - now) * first
        if after > 0.0:
            moved = x + (after - now) * 0.5 * (first + slope(moved, after))
        x = moved
    return x


class Guidance(NamedTuple):
    """Weights of classifier-free guidance (Ho and Salimans, arXiv 2207.12598, 2022).

    Attributes:
        timbre: weight of the step from no condition to the timbre.
        structure: weight of the step from there to timbre and structure. 1 is the plain model, more
            exaggerates. Two conditions in turn as in Brooks et al., "InstructPix2Pix", CVPR 2023, equation 3.
    """

    timbre: float
    structure: float


def guided_denoiser(
    denoiser: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor],
    timbre_BS: Tensor,
    structure_BSF: Tensor,
    guidance: Guidance,
) -> Denoiser:
    """Makes a denoiser of (x, sigma) from one of (x, sigma, timbre, structure), guided by both conditions."""
    if guidance == (1.0, 1.0):
        return lambda x, sigma: denoiser(x, sigma, timbre_BS, structure_BSF)
    timbres = torch.cat([torch.full_like(timbre_BS, NO_CONDITION), timbre_BS, timbre_BS])
    no_structure = torch.full_like(structure_BSF, NO_CONDITION)
    structures = torch.cat([no_structure, no_structure, structure_BSF])

    def guided(x: Tensor, sigma_B: Tensor) -> Tensor:
        denoised = denoiser(x.repeat(3, 1, 1), sigma_B.repeat(3), timbres, structures)
        unconditional, timbre, both = denoised.chunk(3)
        return (
            unconditional + guidance.timbre * (timbre - unconditional) + guidance.structure * (both - timbre)
        )

    return guided


def sampler_noise(shape: tuple[int, ...]) -> Tensor:
    """Draws the sampler's noise: equal for all conversions of a length, on any device."""
    return torch.from_numpy(stream(0, "ctd noise").standard_normal(shape).astype(np.float32))
