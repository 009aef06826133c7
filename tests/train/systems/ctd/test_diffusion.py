"""CTD's diffusion against closed forms: preconditioning, loss, Heun's sampler, guidance."""

from __future__ import annotations

import pytest
import torch

from train.systems.ctd.conditions import NO_CONDITION
from train.systems.ctd.config import CTDConfig
from train.systems.ctd.diffusion import (
    Guidance,
    denoise,
    denoising_loss,
    guided_denoiser,
    heun_sample,
    sampling_sigmas,
)


def test_the_optimal_denoiser_of_gaussian_data_has_zero_loss() -> None:
    """For data N(0, s^2) the ideal denoiser is x s^2 / (s^2 + sigma^2): what `denoise` gives if the network
    gives 0 and sigma_data is s. The weighted loss of that denoiser is then 1 at every noise level."""
    generator = torch.Generator().manual_seed(1)
    clean = 0.65 * torch.randn(200, 400, 1, generator=generator)
    for level in (0.01, 0.5, 10.0):
        sigma = torch.full((200,), level)
        noisy = clean + level * torch.randn(clean.shape, generator=generator)
        made = denoise(lambda x, _: torch.zeros_like(x), noisy, sigma, 0.65)
        torch.testing.assert_close(made, noisy * 0.65**2 / (0.65**2 + level**2))
        assert float(denoising_loss(made, clean, sigma, 0.65)) == pytest.approx(1.0, rel=0.02)


def test_the_sampler_solves_the_gaussian_case() -> None:
    """With that denoiser the flow has a closed form: x(sigma) = m + (x - m) sqrt((s^2 + sigma^2) / (s^2 +
    sigma_max^2)), here with a mean m and a spread s of each dimension's own."""
    config = CTDConfig()
    levels = sampling_sigmas(config)
    assert len(levels) == 41
    assert (levels[0], levels[-2], levels[-1]) == (pytest.approx(80.0), pytest.approx(0.002), 0.0)
    mean = torch.tensor([0.5, -1.0, 0.0])[:, None]
    spread = torch.tensor([0.65, 0.1, 2.0])[:, None]

    def ideal(x: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        power = sigma.square()[:, None, None]
        return (spread**2 * x + power * mean) / (spread**2 + power)

    noise = torch.randn(4, 3, 500, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    made = heun_sample(ideal, noise, levels)
    exact = mean + (80.0 * noise - mean) * spread / (spread**2 + 80.0**2).sqrt()
    assert float(((made - exact).abs() / spread).mean()) < 0.01
    coarse = heun_sample(ideal, noise, sampling_sigmas(config.model_copy(update={"sampling_steps": 10})))
    assert float((coarse - exact).abs().max()) > 4.0 * float((made - exact).abs().max())
    torch.testing.assert_close(made.mean((0, 2))[:, None], mean.double(), rtol=0.0, atol=0.15)


def test_guidance_interpolates_between_conditions() -> None:
    def predicted(
        x: torch.Tensor, sigma: torch.Tensor, timbre: torch.Tensor, structure: torch.Tensor
    ) -> torch.Tensor:
        has = (timbre[:, :1] != NO_CONDITION).float()[..., None], (structure[:, :1] != NO_CONDITION).float()
        return torch.zeros_like(x) + 1.0 + 10.0 * has[0] + 100.0 * has[1]

    x, sigma = torch.zeros(2, 3, 4), torch.ones(2)
    timbre, structure = torch.zeros(2, 5), torch.zeros(2, 5, 4)
    for weights, value in (((1.0, 1.0), 111.0), ((0.0, 0.0), 1.0), ((2.0, 1.0), 121.0), ((1.0, 3.0), 311.0)):
        made = guided_denoiser(predicted, timbre, structure, Guidance(*weights))(x, sigma)
        torch.testing.assert_close(made, torch.full_like(x, value))
