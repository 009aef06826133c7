"""Diffusion by the design of Karras et al. ("Elucidating the design space of diffusion-based generative
models", NeurIPS 2022; EDM): preconditioning, loss, noise levels, and Heun's sampler, their Algorithm 1."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from train.systems.ctd.conditions import NONE
from train.systems.ctd.config import CTDConfig

Network = Callable[[Tensor, Tensor], Tensor]
"""Of (scaled input [B, ...], noise label [B]); what is preconditioned."""

Denoiser = Callable[[Tensor, Tensor], Tensor]
"""Of (noisy data [B, ...], sigma [B]): the data that is expected behind it."""


def denoise(network: Network, x: Tensor, sigma_B: Tensor, sigma_data: float) -> Tensor:
    """D(x; sigma) = c_skip x + c_out F(c_in x; c_noise) (EDM's table 1)."""
    sigma = sigma_B.view(-1, *(1,) * (x.dim() - 1))
    total = (sigma.square() + sigma_data**2).sqrt()
    out = network(x / total, sigma_B.log() / 4.0).float()
    return (sigma_data / total).square() * x + sigma * sigma_data / total * out


def draw_sigma(count: int, config: CTDConfig, generator: torch.Generator) -> Tensor:
    """Noise levels of training [count], ln sigma normal."""
    normal = torch.randn(count, generator=generator, device=generator.device)
    return (config.sigma_log_mean + config.sigma_log_spread * normal).exp()


def denoising_loss(made: Tensor, clean: Tensor, sigma_B: Tensor, sigma_data: float) -> Tensor:
    """Mean squared error, weighted so that every noise level starts at 1 (EDM's equation 144)."""
    weight = (sigma_B.square() + sigma_data**2) / (sigma_B * sigma_data).square()
    return (weight * (made - clean).square().flatten(1).mean(1)).mean()


def sigmas(config: CTDConfig) -> list[float]:
    """The sampler's noise levels, from the highest to 0: one more than its steps (EDM's equation 5)."""
    low, high = (value ** (1.0 / config.rho) for value in (config.sigma_lowest, config.sigma_highest))
    steps = config.sampling_steps
    shares = [index / max(steps - 1, 1) for index in range(steps)]
    return [*((high + share * (low - high)) ** config.rho for share in shares), 0.0]


def sample(denoiser: Denoiser, noise: Tensor, levels: list[float]) -> Tensor:
    """Heun's second-order sampler from `noise` of unit variance [B, ...] down the `levels`."""
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
    """How far to go from no condition to the timbre, and from there to timbre and structure; 1: all the way,
    more: beyond (Ho and Salimans, 2022; two conditions in turn as Brooks et al., CVPR 2023)."""

    timbre: float
    structure: float


def guided(
    denoiser: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor],
    timbre_BS: Tensor,
    structure_BSF: Tensor,
    guidance: Guidance,
) -> Denoiser:
    """A denoiser of (x, sigma, timbre, structure) as one of (x, sigma), guided by both conditions."""
    if guidance == (1.0, 1.0):
        return lambda x, sigma: denoiser(x, sigma, timbre_BS, structure_BSF)
    timbres = torch.cat([torch.full_like(timbre_BS, NONE), timbre_BS, timbre_BS])
    without = torch.full_like(structure_BSF, NONE)
    structures = torch.cat([without, without, structure_BSF])

    def both(x: Tensor, sigma_B: Tensor) -> Tensor:
        made = denoiser(x.repeat(3, 1, 1), sigma_B.repeat(3), timbres, structures)
        nothing, timbre, everything = made.chunk(3)
        return nothing + guidance.timbre * (timbre - nothing) + guidance.structure * (everything - timbre)

    return both
