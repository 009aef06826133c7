"""A small discriminator on spectrograms of several resolutions (after UnivNet's and encodec's)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from train.audio.spectral import magnitudes


class DiscriminatorOutput(NamedTuple):
    """Logits and inner features of each resolution, for the least-squares loss and feature matching."""

    logits: list[Tensor]
    features: list[Tensor]

    def halves(self) -> tuple[DiscriminatorOutput, DiscriminatorOutput]:
        """The verdicts on the two halves of a batch that was judged in one call."""
        logits, features = ([part.chunk(2) for part in parts] for parts in self)
        return tuple(DiscriminatorOutput([p[i] for p in logits], [p[i] for p in features]) for i in (0, 1))  # type: ignore[return-value]


class SpectrogramDiscriminator(nn.Module):
    """One resolution: log magnitudes [B, F, C] -> convolutions over time and frequency -> logits."""

    def __init__(self, window: int, channels: int) -> None:
        super().__init__()
        self.window = window
        self.layers = nn.ModuleList(
            [
                nn.Conv2d(1, channels, (3, 7), stride=(1, 3), padding=(1, 3)),
                nn.Conv2d(channels, channels, (3, 7), stride=(1, 3), padding=(1, 3)),
                nn.Conv2d(channels, channels, (3, 5), stride=(2, 2), padding=(1, 2)),
            ]
        )
        self.leave = nn.Conv2d(channels, 1, 3, padding=1)

    def forward(self, audio_BT: Tensor) -> tuple[Tensor, list[Tensor]]:
        with torch.autocast(audio_BT.device.type, enabled=False):
            x = (magnitudes(audio_BT, self.window, self.window // 4) + 1e-3).log10()[:, None]
        features = []
        for layer in self.layers:
            x = nn.functional.leaky_relu(layer(x), 0.1)
            features.append(x)
        return self.leave(x), features


class Discriminator(nn.Module):
    """Tells real audio [B, T] from decoded audio."""

    def __init__(self, windows: tuple[int, ...] = (1024, 256), channels: int = 12) -> None:
        super().__init__()
        self.judges = nn.ModuleList(SpectrogramDiscriminator(window, channels) for window in windows)

    def forward(self, audio_BT: Tensor) -> DiscriminatorOutput:
        verdicts = [judge(audio_BT) for judge in self.judges]
        return DiscriminatorOutput(
            [logit for logit, _ in verdicts], [f for _, features in verdicts for f in features]
        )


def discriminator_loss(real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Tensor:
    """Least squares: real to 1, fake to 0."""
    terms = [
        (r - 1.0).square().mean() + f.square().mean() for r, f in zip(real.logits, fake.logits, strict=True)
    ]
    return torch.stack(terms).mean()


def generator_loss(fake: DiscriminatorOutput) -> Tensor:
    """Least squares: fake to 1."""
    return torch.stack([(logit - 1.0).square().mean() for logit in fake.logits]).mean()


def feature_matching_loss(real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Tensor:
    """Mean distance of inner features, relative to their size in real audio."""
    terms = [
        (f - r.detach()).abs().mean() / (r.detach().abs().mean() + 1e-3)
        for r, f in zip(real.features, fake.features, strict=True)
    ]
    return torch.stack(terms).mean()
