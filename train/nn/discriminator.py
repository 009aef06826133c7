"""A small discriminator on spectrograms of several resolutions.

It follows the multi-resolution spectrogram discriminator of UnivNet (Jang et al., Interspeech 2021) and the
STFT discriminator of encodec (Défossez et al., 2022). Losses are least squares (Mao et al., ICCV 2017), and
feature matching.

Tensor names: B clips, T samples.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from train.audio.spectral import magnitudes


class DiscriminatorOutput(NamedTuple):
    """Logits and hidden features of each resolution, for the least-squares loss and feature matching."""

    logits: list[Tensor]
    features: list[Tensor]

    def halves(self) -> tuple[DiscriminatorOutput, DiscriminatorOutput]:
        """Splits the output of one call into those of the two halves of its batch."""
        logits, features = ([part.chunk(2) for part in parts] for parts in self)
        first, second = (
            DiscriminatorOutput([part[i] for part in logits], [part[i] for part in features]) for i in (0, 1)
        )
        return first, second


class SpectrogramDiscriminator(nn.Module):
    """A discriminator at one resolution: log magnitudes, then convolutions over time and frequency.

    `window` is the STFT's, in samples, its hop a quarter.
    """

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
    """Tells real audio, float32 [B, T], from decoded audio, one sub-discriminator for each of `windows`."""

    def __init__(self, windows: tuple[int, ...] = (1024, 256), channels: int = 12) -> None:
        super().__init__()
        self.judges = nn.ModuleList(SpectrogramDiscriminator(window, channels) for window in windows)

    def forward(self, audio_BT: Tensor) -> DiscriminatorOutput:
        outputs = [judge(audio_BT) for judge in self.judges]
        return DiscriminatorOutput(
            [logit for logit, _ in outputs], [f for _, features in outputs for f in features]
        )


def discriminator_loss(real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Tensor:
    """Computes the discriminator's least-squares loss, a scalar: real to 1, fake to 0."""
    terms = [
        (r - 1.0).square().mean() + f.square().mean() for r, f in zip(real.logits, fake.logits, strict=True)
    ]
    return torch.stack(terms).mean()


def generator_loss(fake: DiscriminatorOutput) -> Tensor:
    """Computes the generator's least-squares loss, a scalar: fake to 1."""
    return torch.stack([(logit - 1.0).square().mean() for logit in fake.logits]).mean()


def feature_matching_loss(real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Tensor:
    """Computes the mean L1 distance of hidden features, relative to their size in real audio: a scalar."""
    terms = [
        (f - r.detach()).abs().mean() / (r.detach().abs().mean() + 1e-3)
        for r, f in zip(real.features, fake.features, strict=True)
    ]
    return torch.stack(terms).mean()
