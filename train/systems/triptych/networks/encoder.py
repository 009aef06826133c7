"""Encodes features into note logits, with a small ConvNeXt trunk over frames of 512 samples.

Shape suffixes: B clips, F frames of 512 samples, G frames of 1024, S = 4 F subframes, H partials, P candidate
pitches, N = B * G frames of all clips, C channels.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from train.nn.layers import ConvNeXt
from train.systems.triptych.config import TriptychConfig
from train.systems.triptych.networks.features import FINE, HOP, LONG_HOP, MELS, PARTIALS, Features

SUBFRAMES = 4
"""Steps of a frame on which onsets and note-offs are predicted: 344 Hz at 44.1 kHz."""


class NoteLogits(NamedTuple):
    """The encoder's outputs.

    Attributes:
        onset_BS: logits of an onset near each subframe.
        onset_shift_BS: signed distance from the subframe to that onset, in subframes.
        off_BS: logits of a note-off near each subframe.
        off_shift_BS: signed distance to that note-off, in subframes.
        gate_BF: logits of a held note.
        pitch_BGP: logits of 88 pitches, from MIDI 21 on.
    """

    onset_BS: Tensor
    onset_shift_BS: Tensor
    off_BS: Tensor
    off_shift_BS: Tensor
    gate_BF: Tensor
    pitch_BGP: Tensor


class Encoder(nn.Module):
    """Predicts note logits from features. One batch may hold sources and references together.

    Example::

        logits = Encoder(config)(extract_features(audio_BT, rate))
    """

    def __init__(self, config: TriptychConfig) -> None:
        super().__init__()
        width = config.encoder_width
        self.enter = nn.Linear(MELS + FINE, width)
        self.blocks = nn.ModuleList(ConvNeXt(width) for _ in range(config.encoder_blocks))
        self.norm = nn.LayerNorm(width)
        self.timing = nn.Linear(width, 4 * SUBFRAMES + 1)
        self.pitch = PitchScorer(width)

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


class PitchScorer(nn.Module):
    """Scores each candidate pitch by its partials in a frame: [H, P, N] -> logits [P, N].

    One small network serves all candidates. Its inputs are the candidate's own partials, those of the
    candidate an octave above, and the loudest of all candidates. The trunk's output for the frame, [N, C],
    comes in too, since it decides which partials to trust: a bell's fundamental is not its lowest partial.
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
