"""Discriminators: waveforms folded by five periods, and complex spectra in five bands.

After HiFi-GAN (Kong, Kim and Bae, NeurIPS 2020) and the Descript audio codec (Kumar et al., NeurIPS 2023).

Shape suffixes: B clips, T samples, F frames, C bins.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from train.audio.spectral import spectrum
from train.nn.discriminator import DiscriminatorOutput
from train.systems.synthcloner.config import SynthClonerConfig

BANDS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
"""Edges of the bands, as shares of the spectrum."""
GROWTH = (1, 4, 16, 32, 32)
"""Channels of the period discriminator's layers, in multiples of the first one's."""


def _conv(inputs: int, outputs: int, kernel: tuple[int, int], stride: tuple[int, int]) -> nn.Module:
    padding = (kernel[0] // 2, kernel[1] // 2)
    module: nn.Module = weight_norm(nn.Conv2d(inputs, outputs, kernel, stride, padding))
    return module


def _run(layers: nn.ModuleList, x: Tensor) -> list[Tensor]:
    outputs = []
    for layer in layers:
        x = F.leaky_relu(layer(x), 0.1)
        outputs.append(x)
    return outputs


class PeriodDiscriminator(nn.Module):
    """Scores audio [B, T] folded to [B, 1, T / period, period]: logits, and the features of each layer."""

    def __init__(self, period: int, channels: int) -> None:
        super().__init__()
        self.period = period
        widths = [1, *(channels * factor for factor in GROWTH)]
        self.layers = nn.ModuleList(
            _conv(widths[i], widths[i + 1], (5, 1), (3 if i < 4 else 1, 1)) for i in range(5)
        )
        self.leave = _conv(widths[-1], 1, (3, 1), (1, 1))

    def forward(self, audio_BT: Tensor) -> tuple[Tensor, list[Tensor]]:
        padded = F.pad(audio_BT, (0, -audio_BT.shape[1] % self.period))
        features = _run(self.layers, padded.reshape(len(padded), 1, -1, self.period))
        return self.leave(features[-1]), features


class SpectrumDiscriminator(nn.Module):
    """Scores complex spectra [B, 2, F, bins] in bands with layers of their own: logits, and features."""

    def __init__(self, window: int, channels: int) -> None:
        super().__init__()
        self.window = window
        bins = window // 2 + 1
        self.edges = [int(edge * bins) for edge in BANDS]
        strides = (1, 2, 2, 2, 1)
        self.bands = nn.ModuleList(
            nn.ModuleList(
                _conv(2 if i == 0 else channels, channels, (3, 9) if i < 4 else (3, 3), (1, strides[i]))
                for i in range(5)
            )
            for _ in range(len(BANDS) - 1)
        )
        self.leave = _conv(channels, 1, (3, 3), (1, 1))

    def forward(self, audio_BT: Tensor) -> tuple[Tensor, list[Tensor]]:
        with torch.autocast(audio_BT.device.type, enabled=False):
            complex_B2FC = torch.view_as_real(spectrum(audio_BT, self.window, self.window // 4)).movedim(
                -1, 1
            )
        features, ends = [], []
        for band, low, high in zip(self.bands, self.edges[:-1], self.edges[1:], strict=True):
            band_features = _run(band, complex_B2FC[..., low:high])  # type: ignore[arg-type]
            features += band_features
            ends.append(band_features[-1])
        return self.leave(torch.cat(ends, dim=-1)), features


class Discriminators(nn.Module):
    """Runs all discriminators on audio [B, T]. Their attribute `judges` is part of the state-dict keys."""

    def __init__(self, config: SynthClonerConfig) -> None:
        super().__init__()
        channels = config.discriminator_channels
        self.judges = nn.ModuleList(
            [
                *(PeriodDiscriminator(period, channels) for period in config.periods),
                *(SpectrumDiscriminator(window, channels) for window in config.discriminator_windows),
            ]
        )

    def forward(self, audio_BT: Tensor) -> DiscriminatorOutput:
        results = [discriminator(audio_BT) for discriminator in self.judges]
        return DiscriminatorOutput(
            [logit for logit, _ in results], [f for _, features in results for f in features]
        )
