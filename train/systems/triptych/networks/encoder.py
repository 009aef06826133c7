"""The encoder: from features to logits for notes, one small ConvNeXt trunk over frames of 512 samples."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from train.nn.layers import ConvNeXt
from train.systems.triptych.config import TriptychConfig
from train.systems.triptych.networks.features import FINE, HOP, LONG_HOP, MELS, PARTIALS, Features

SUBFRAMES = 4
"""Onsets and offsets are told on this many steps inside a frame: 344 Hz at 44.1 kHz."""


class NoteLogits(NamedTuple):
    """What the encoder says of notes. S counts sub-frames, F * 4; `*_shift` is in sub-frames.

    `onset_BS` and `off_BS` are logits of an onset (note-off) near a sub-frame, the shifts where exactly it
    lies from there; `gate_BF` is the logit of a held note; `pitch_BGP` are the logits of 88 pitches on frames
    of 1024 samples.
    """

    onset_BS: Tensor
    onset_shift_BS: Tensor
    off_BS: Tensor
    off_shift_BS: Tensor
    gate_BF: Tensor
    pitch_BGP: Tensor


class Encoder(nn.Module):
    """Features -> note logits. One call may hold sources and references together."""

    def __init__(self, config: TriptychConfig) -> None:
        super().__init__()
        width = config.encoder_width
        self.enter = nn.Linear(MELS + FINE, width)
        self.blocks = nn.ModuleList(ConvNeXt(width) for _ in range(config.encoder_blocks))
        self.norm = nn.LayerNorm(width)
        self.timing = nn.Linear(width, 4 * SUBFRAMES + 1)
        self.pitch = PitchJudge(width)

    def forward(self, features: Features) -> NoteLogits:
        x = self.enter(torch.cat([features.mel_BFM, features.fine_BFC], dim=-1))
        for block in self.blocks:
            x = block(x)
        timing = self.timing(self.norm(x))
        onset, onset_shift, off, off_shift = (
            timing[..., i * SUBFRAMES : (i + 1) * SUBFRAMES].flatten(1) for i in range(4)
        )
        clips, frames = features.long_BGC.shape[:2]
        context_BGC = x[:, :: LONG_HOP // HOP][:, :frames]
        pitch_PN = self.pitch(features.stack_HPN, context_BGC.flatten(0, 1))
        pitch_BGP = pitch_PN.T.reshape(clips, frames, -1)
        return NoteLogits(onset, onset_shift, off, off_shift, timing[..., -1], pitch_BGP)


class PitchJudge(nn.Module):
    """How well each candidate pitch explains a frame, from its partials, those of the pitch an octave up,
    and the loudest candidate's: [H, P, N] -> logits [P, N]. One small network for all candidates.

    What the trunk makes of the frame, [N, width], comes in too: which partials to believe depends on the
    sound (of a bell the fundamental is not the lowest).
    """

    def __init__(self, width: int, hidden: int = 24) -> None:
        super().__init__()
        count = len(PARTIALS)
        self.own = nn.Linear(count, hidden)
        self.above = nn.Linear(count, hidden, bias=False)
        self.loudest = nn.Linear(count, hidden, bias=False)
        self.context = nn.Linear(width, hidden, bias=False)
        self.leave = nn.Linear(hidden, 1)

    def forward(self, stack_HPN: Tensor, context_NC: Tensor) -> Tensor:
        flat = stack_HPN.flatten(1)
        own = (self.own.weight @ flat).reshape(-1, *stack_HPN.shape[1:])
        above = (self.above.weight @ flat).reshape(-1, *stack_HPN.shape[1:]).roll(-12, dims=1)
        frame = self.loudest.weight @ stack_HPN.amax(1) + self.own.bias[:, None] + self.context(context_NC).T
        h = nn.functional.leaky_relu(own + above + frame[:, None], 0.1)
        logits: Tensor = torch.einsum("c,cpn->pn", self.leave.weight[0], h) + self.leave.bias
        return logits
