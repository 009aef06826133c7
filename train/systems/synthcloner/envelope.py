"""The envelope path: loudness over time through a narrow bottleneck.

Shape suffixes: B clips, T samples, F frames.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.systems.synthcloner.config import SynthClonerConfig

FLOOR = 1e-5
"""Amplitude that is added, in power, before the logarithm."""
COARSE = 4
"""Frames of one step of the coarse branch."""


def loudness(audio_BT: Tensor, hop: int) -> Tensor:
    """Computes the log10 RMS of each frame and its difference to the previous one: float32 [B, 2, F]."""
    power = audio_BT.float().reshape(len(audio_BT), -1, hop).square().mean(-1)
    level = 0.5 * (power + FLOOR**2).log10()
    return torch.stack([level, F.pad(level.diff(dim=1), (1, 0))], dim=1)


class EnvelopeEncoder(nn.Module):
    """Encodes loudness [B, 2, F] as frames [B, latent, F], through 2 * `envelope_hidden` numbers a frame."""

    def __init__(self, config: SynthClonerConfig) -> None:
        super().__init__()
        width, hidden = config.latent, config.envelope_hidden
        self.enter = nn.Conv1d(2, width, 1)
        self.fine = nn.ModuleList(
            nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation) for dilation in (1, 2, 4, 8, 16)
        )
        self.coarse = nn.Conv1d(width, width, COARSE, stride=COARSE)
        self.lstm = nn.LSTM(2 * width, hidden, 2, batch_first=True, bidirectional=True)
        self.leave = nn.Conv1d(2 * hidden, width, 1)

    def forward(self, loudness_B2F: Tensor) -> Tensor:
        x = self.enter(loudness_B2F)
        for layer in self.fine:
            x = x + F.gelu(layer(x))
        frames = x.shape[-1]
        padded = F.pad(x, (0, -frames % COARSE), mode="replicate") if frames % COARSE else x
        slow = F.gelu(self.coarse(padded)).repeat_interleave(COARSE, dim=-1)[..., :frames]
        hidden_states = self.lstm(torch.cat([x, slow], dim=1).transpose(1, 2))[0]
        out: Tensor = self.leave(hidden_states.transpose(1, 2))
        return out
