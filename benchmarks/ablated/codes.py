"""Encodes content as codes of a vector quantiser: one of 512 every 1024 samples (43 Hz at 44.1 kHz, 390
bit/s).

The trunk is that of the note encoder. The codebook is one stage of SynthCloner's quantiser (arXiv
2509.24286), looked up by cosine similarity in eight dimensions. As there, a pitch loss is applied to the
quantised frames.

Shapes: B clips, G code frames, D dimensions of a code's vector, P pitches, N notes, R rows, F frames of a
row, M mel bands, C channels.
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


class CodeSequence(NamedTuple):
    """Codes of B clips.

    Attributes:
        vector_BGD: the codes' vectors, float32.
        index_BG: the codes' indices in the codebook, int64.
        losses: pitch, commitment and codebook losses, scalars.
    """

    vector_BGD: Tensor
    index_BG: Tensor
    losses: dict[str, Tensor]


class CodeEncoder(nn.Module):
    """Encodes features and, for the pitch loss, true notes as codes."""

    def __init__(self, config: AblatedConfig) -> None:
        super().__init__()
        width = config.encoder_width
        self.enter = nn.Linear(MELS + FINE, width)
        self.blocks = nn.ModuleList(ConvNeXt(width) for _ in range(config.encoder_blocks))
        self.leave = nn.Linear(width, config.code_width)
        self.book = Codebook(SynthClonerConfig(latent=config.code_width, codes=config.codes, code_dims=8))
        self.pitch = nn.Linear(config.code_width, PITCHES)

    def forward(self, features: Features, notes: NoteBatch) -> CodeSequence:
        """Returns the codes of B clips and their losses."""
        x = self.enter(torch.cat([features.mel_BFM, features.fine_BFC], dim=-1))
        for block in self.blocks:
            x = block(x)
        frames_BCG = F.avg_pool1d(self.leave(x).transpose(1, 2), LONG_HOP // HOP, ceil_mode=True)
        quantised = self.book(frames_BCG)
        vector_BGD = quantised.frames.transpose(1, 2)
        return CodeSequence(
            vector_BGD,
            quantised.codes[:, 0],
            {
                "code_pitch": pitch_loss(self.pitch(vector_BGD), notes),
                "commitment": 0.25 * quantised.commitment,
                "codebook": quantised.codebook,
            },
        )


def pitch_loss(logits_BGP: Tensor, notes: NoteBatch) -> Tensor:
    """Computes the cross-entropy of the pitch over frames in which a note is held: a scalar."""
    held_BNG = held_frames(notes, logits_BGP.shape[1], LONG_HOP)
    pitch_BN = (notes.pitch_BN.round().long() - LOWEST_PITCH).clamp(0, PITCHES - 1)
    target_BG = pitch_BN.gather(1, held_BNG.float().argmax(1))
    loss_BG = F.cross_entropy(logits_BGP.transpose(1, 2), target_BG, reduction="none")
    held_BG = held_BNG.any(1)
    return (loss_BG * held_BG).sum() / held_BG.sum().clamp(min=1)


def codes_at(vector_BGD: Tensor, clip_R: Tensor, at_RF: Tensor) -> Tensor:
    """Returns the code vectors of clips `clip_R` at their samples `at_RF`: float32 [R, F, D].

    Before the first and after the last frame the nearest one is returned.
    """
    frame_RF = (at_RF / LONG_HOP - 0.25).round().long().clamp(0, vector_BGD.shape[1] - 1)
    return vector_BGD[clip_R[:, None], frame_RF]
