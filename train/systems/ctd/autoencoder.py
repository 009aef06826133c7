"""Encodes audio as latents and decodes them: a filter bank, a convolutional encoder, and its mirror image.

The decoder outputs each band as a waveform under tanh times a loudness gate, plus filtered noise. It predicts
the noise filters for every 16 samples of a band (after RAVE: Caillon and Esling, arXiv 2111.05011, 2021).

Shape suffixes: B clips, T samples, M bands, L = T / M samples of a band, F latent frames, D latent channels,
C channels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.nn.convolutions import conv, upsample
from train.systems.ctd.config import BANDS, CTDConfig
from train.systems.ctd.layers import SnakeBeta, residual_blocks
from train.systems.ctd.pqmf import PQMF

NOISE_FILTER = 5
"""Magnitudes of a noise filter; its impulse response has twice as many samples less two."""
NOISE_STRIDES = (4, 4)
"""Strides of the convolutions that predict noise filters."""
NOISE_HOP = 16
"""Samples of a band for each noise filter: the product of the strides."""


class Encoder(nn.Module):
    """Encodes bands [B, M, T / M] as latents [B, latent, F]."""

    def __init__(self, config: CTDConfig) -> None:
        super().__init__()
        widths = [config.channels * factor for factor in config.multipliers]
        layers = [conv(BANDS, widths[0], 7)]
        for width, wider, stride in zip(widths[:-1], widths[1:], config.strides, strict=True):
            layers += [*residual_blocks(width), SnakeBeta(width)]
            layers += [conv(width, wider, 2 * stride if stride > 1 else 3, stride)]
        layers += [SnakeBeta(widths[-1]), conv(widths[-1], config.latent, 3)]
        self.layers = nn.Sequential(*layers)

    def forward(self, bands_BMT: Tensor) -> Tensor:
        latents: Tensor = self.layers(bands_BMT)
        return latents


class FilteredNoise(nn.Module):
    """Filters noise [B, M, L] with magnitudes predicted from features [B, C, L]: [B, M, L]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            conv(channels, channels, 2 * NOISE_STRIDES[0], NOISE_STRIDES[0]),
            SnakeBeta(channels),
            conv(channels, BANDS * NOISE_FILTER, 2 * NOISE_STRIDES[1], NOISE_STRIDES[1]),
        )

    def forward(self, features_BCL: Tensor, noise_BML: Tensor) -> Tensor:
        batch, _, length = features_BCL.shape
        predicted = self.layers(F.pad(features_BCL, (0, -length % NOISE_HOP))).float()
        with torch.autocast(predicted.device.type, enabled=False):
            # The offset starts training near silence.
            magnitude = 2.0 * torch.sigmoid(predicted - 5.0)
            magnitude = magnitude.view(batch, BANDS, NOISE_FILTER, -1).transpose(2, 3)
            response = torch.fft.irfft(magnitude.to(torch.complex64), 2 * (NOISE_FILTER - 1))
            span = NOISE_HOP + response.shape[-1]
            padded = F.pad(noise_BML, (0, -length % NOISE_HOP))
            blocks = padded.view(batch, BANDS, -1, NOISE_HOP)
            shaped = torch.fft.irfft(torch.fft.rfft(blocks, span) * torch.fft.rfft(response, span), span)
            # The response of each block overlaps the next one.
            rows = shaped.flatten(0, 1).transpose(1, 2)
            total = (rows.shape[-1] - 1) * NOISE_HOP + span
            summed = F.fold(rows, (1, total), (1, span), stride=(1, NOISE_HOP))
            return summed.view(batch, BANDS, -1)[..., :length]


class Decoder(nn.Module):
    """Decodes latents [B, latent, F] into bands [B, M, T / M]; `generator` draws the noise."""

    def __init__(self, config: CTDConfig) -> None:
        super().__init__()
        widths = [round(config.channels * factor * config.decoder_scale) for factor in config.multipliers]
        layers = [conv(config.latent, widths[-1], 7)]
        for narrower, width, stride in reversed(
            list(zip(widths[:-1], widths[1:], config.strides, strict=True))
        ):
            layers += [SnakeBeta(width), upsample(width, narrower, stride), *residual_blocks(narrower)]
        layers += [SnakeBeta(widths[0])]
        self.layers = nn.Sequential(*layers)
        self.wave = conv(widths[0], BANDS, 7)
        self.loudness = conv(widths[0], BANDS, 3)
        self.noise = FilteredNoise(widths[0])

    def forward(self, latents_BDF: Tensor, generator: torch.Generator) -> Tensor:
        features = self.layers(latents_BDF)
        waves = torch.tanh(self.wave(features).float()) * torch.sigmoid(self.loudness(features).float())
        noise = torch.rand(waves.shape, generator=generator, device=waves.device) * 2.0 - 1.0
        bands: Tensor = waves + self.noise(features, noise)
        return bands


class Autoencoder(nn.Module):
    """Encodes and decodes audio, with the filter bank. The number of samples T must be a multiple of the hop.

    Example::

        latents = autoencoder.encode(audio_BT)
        audio_BT = autoencoder.decode(latents, torch.Generator().manual_seed(0))
    """

    def __init__(self, config: CTDConfig) -> None:
        super().__init__()
        self.bank = PQMF(BANDS)
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    def encode(self, audio_BT: Tensor) -> Tensor:
        """Encodes audio [B, T] of full scale 1 as latents [B, latent, F]."""
        latents: Tensor = self.encoder(self.bank.analyse(audio_BT))
        return latents

    def decode(self, latents_BDF: Tensor, generator: torch.Generator) -> Tensor:
        """Decodes latents [B, latent, F] into audio [B, T]; `generator`, on their device, draws the noise."""
        return self.bank.synthesise(self.decoder(latents_BDF, generator))
