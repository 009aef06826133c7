"""The encoder that content and timbre share, and the decoder.

Shape suffixes: B clips, T samples, C channels, F frames.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from train.nn.convolutions import conv, upsample
from train.systems.synthcloner.config import SynthClonerConfig
from train.systems.synthcloner.layers import SkipLSTM, Snake, residual_units


def _lstm(channels: int, layers: int) -> list[nn.Module]:
    return [SkipLSTM(channels, layers)] if layers else []


class Encoder(nn.Module):
    """Encodes audio [B, T] as frames [B, latent, T / hop]; T must be a multiple of the hop."""

    def __init__(self, config: SynthClonerConfig) -> None:
        super().__init__()
        width = config.encoder_channels
        layers = [conv(1, width, 7)]
        for stride in config.strides:
            layers += [*residual_units(width), Snake(width), conv(width, 2 * width, 2 * stride, stride)]
            width *= 2
        layers += [*_lstm(width, config.lstm_layers), Snake(width), conv(width, config.latent, 3)]
        self.layers = nn.Sequential(*layers)

    def forward(self, audio_BT: Tensor) -> Tensor:
        frames: Tensor = self.layers(audio_BT[:, None])
        return frames


class Decoder(nn.Module):
    """Decodes frames [B, latent, F] into audio [B, F * hop] within -1..1."""

    def __init__(self, config: SynthClonerConfig) -> None:
        super().__init__()
        width = config.decoder_channels
        layers = [conv(config.latent, width, 7), *_lstm(width, config.lstm_layers)]
        for stride in reversed(config.strides):
            layers += [Snake(width), upsample(width, width // 2, stride), *residual_units(width // 2)]
            width //= 2
        layers += [Snake(width), conv(width, 1, 7)]
        self.layers = nn.Sequential(*layers)

    def forward(self, frames_BCF: Tensor) -> Tensor:
        return torch.tanh(self.layers(frames_BCF)[:, 0])
