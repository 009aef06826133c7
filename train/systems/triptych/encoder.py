"""The encoder: from features to logits for notes, one small ConvNeXt trunk over frames of 512 samples."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from train.layers import ConvNeXt, mlp
from train.systems.triptych.config import TriptychConfig
from train.systems.triptych.features import FINE, MELS, PARTIALS, Features

SUBFRAMES = 4
"""Onsets and offsets are told on this many steps inside a frame: 344 Hz at 44.1 kHz."""


class NoteLogits(NamedTuple):
    """What the encoder says of notes. S counts sub-frames, F * 4; `*_shift` is in sub-frames.

    `onset_BS` and `off_BS` are logits of an onset (note-off) near a sub-frame, the shifts where exactly it
    lies from there; `gate_BF` is the logit of a held note, `pitch_BFP` are the logits of 88 pitches.
    """

    onset_BS: Tensor
    onset_shift_BS: Tensor
    off_BS: Tensor
    off_shift_BS: Tensor
    gate_BF: Tensor
    pitch_BFP: Tensor


class Encoder(nn.Module):
    """Features -> note logits. One call may hold sources and references together."""

    def __init__(self, config: TriptychConfig) -> None:
        super().__init__()
        width = config.encoder_width
        self.enter = nn.Linear(MELS + FINE, width)
        self.blocks = nn.ModuleList(ConvNeXt(width) for _ in range(config.encoder_blocks))
        self.norm = nn.LayerNorm(width)
        self.timing = nn.Linear(width, 4 * SUBFRAMES + 1)
        # Each candidate's own partials, those of the pitches an octave away, and the loudest candidate's.
        self.pitch = mlp(3 * len(PARTIALS), 24, 1)

    def forward(self, features: Features) -> NoteLogits:
        x = self.enter(torch.cat([features.mel_BFM, features.fine_BFC], dim=-1))
        for block in self.blocks:
            x = block(x)
        timing = self.timing(self.norm(x))
        onset, onset_shift, off, off_shift = (
            timing[..., i * SUBFRAMES : (i + 1) * SUBFRAMES].flatten(1) for i in range(4)
        )
        stack = features.stack_BFPH
        up = torch.roll(stack, -12, dims=2)
        loudest = stack.amax(2, keepdim=True).expand_as(stack)
        pitch = self.pitch(torch.cat([stack, up, loudest], dim=-1)).squeeze(-1)
        return NoteLogits(onset, onset_shift, off, off_shift, timing[..., -1], pitch)
