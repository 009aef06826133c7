"""Content as codes: one of 512 every 1024 samples (43 Hz at 44.1 kHz, 390 bit/s), heard in the source.

The trunk is the note encoder's, the codebook one stage of the reference's quantiser, looked up by cosine in
eight dimensions. As in the reference, pitch is taught on what was quantised.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.ablated.config import AblatedConfig
from train.nn.gain import NoteBatch
from train.nn.layers import ConvNeXt
from train.systems.synthcloner.config import SynthClonerConfig
from train.systems.synthcloner.quantiser import Codebook
from train.systems.triptych.networks.features import (
    FINE,
    HOP,
    LONG_HOP,
    LOWEST_PITCH,
    MELS,
    PITCHES,
    Features,
)
from train.systems.triptych.networks.note_head import held_frames


class Coded(NamedTuple):
    """Codes of B clips: their vectors [B, G, D], their numbers [B, G], and the losses."""

    vector_BGD: Tensor
    number_BG: Tensor
    losses: dict[str, Tensor]


class Coder(nn.Module):
    """Features -> codes."""

    def __init__(self, config: AblatedConfig) -> None:
        super().__init__()
        width = config.encoder_width
        self.enter = nn.Linear(MELS + FINE, width)
        self.blocks = nn.ModuleList(ConvNeXt(width) for _ in range(config.encoder_blocks))
        self.leave = nn.Linear(width, config.code_width)
        self.book = Codebook(SynthClonerConfig(latent=config.code_width, codes=config.codes, code_dims=8))
        self.pitch = nn.Linear(config.code_width, PITCHES)

    def forward(self, heard: Features, notes: NoteBatch) -> Coded:
        x = self.enter(torch.cat([heard.mel_BFM, heard.fine_BFC], dim=-1))
        for block in self.blocks:
            x = block(x)
        frames_BCG = F.avg_pool1d(self.leave(x).transpose(1, 2), LONG_HOP // HOP, ceil_mode=True)
        found = self.book(frames_BCG)
        vector_BGD = found.frames.transpose(1, 2)
        return Coded(
            vector_BGD,
            found.codes[:, 0],
            {
                "code_pitch": pitch_loss(self.pitch(vector_BGD), notes),
                "commitment": 0.25 * found.commitment,
                "codebook": found.codebook,
            },
        )


def pitch_loss(logits_BGP: Tensor, notes: NoteBatch) -> Tensor:
    """Cross-entropy of the pitch in frames where a note is held."""
    held_BNG = held_frames(notes, logits_BGP.shape[1], LONG_HOP)
    pitch_BN = (notes.pitch_BN.round().long() - LOWEST_PITCH).clamp(0, PITCHES - 1)
    target_BG = pitch_BN.gather(1, held_BNG.float().argmax(1))
    loss_BG = F.cross_entropy(logits_BGP.transpose(1, 2), target_BG, reduction="none")
    held_BG = held_BNG.any(1)
    return (loss_BG * held_BG).sum() / held_BG.sum().clamp(min=1)


def read_at(vector_BGD: Tensor, clip_R: Tensor, at_RF: Tensor) -> Tensor:
    """The codes' vectors of clip `clip_R` at samples `at_RF` of it: [R, F, D]. Held at both ends."""
    place_RF = (at_RF / LONG_HOP - 0.25).round().long().clamp(0, vector_BGD.shape[1] - 1)
    return vector_BGD[clip_R[:, None], place_RF]
