"""Encodes the learned part of a timbre as a few vectors whose numbers are -1, 0 or 1.

A mel spectrum reveals the pitch, and pooled mel spectra reveal the phrase. So frames are read by harmonic
number instead, with the gain divided out, and pooled over a clip. Two subsets of one clip's notes are trained
to give the same vectors. Few small integers hold next to nothing else of the notes (finite scalar
quantisation, Mentzer et al., ICLR 2024). `benchmarks/probes.py` measures it.

Shape suffixes: B clips, G frames of 1024 samples, N notes, K vectors of D numbers, I inputs, C channels.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from train.nn.gain import NoteBatch
from train.nn.layers import mlp
from train.systems.triptych.config import TriptychConfig
from train.systems.triptych.networks.features import LONG_HOP
from train.systems.triptych.networks.partials import SILENCE_LEVEL, midi_to_hz, partial_levels
from train.systems.triptych.networks.timbre import GainNormalizedFrames

PARTIALS = 24
"""Multiples of f0 that are read in each frame."""

SUBHARMONICS = 16
"""Odd multiples of f0/2 that are read in each frame."""


class TimbreViews(NamedTuple):
    """Timbre vectors before rounding, float32, of whole clips and of subsets of their notes.

    Attributes:
        whole_BKD: vectors of all notes.
        even_BKD: vectors of the even-numbered notes.
        odd_BKD: vectors of the odd-numbered notes.
        both_B: which clips have notes of both kinds.
    """

    whole_BKD: Tensor
    even_BKD: Tensor
    odd_BKD: Tensor
    both_B: Tensor


class TimbreEncoder(nn.Module):
    """Encodes the frames of a clip, read by harmonic number, as vectors [B, 1 + tokens, D].

    The first one is the timbre vector; the decoder attends to the others, if any. Each pools the frames with
    weights of its own. No vector depends on other clips of the batch.
    """

    def __init__(self, config: TriptychConfig) -> None:
        super().__init__()
        width, count = config.timbre_width, 1 + config.timbre_tokens
        self.enter = nn.Linear(PARTIALS + SUBHARMONICS + 2, width)
        self.deepen = mlp(width, width, width)
        self.key = nn.Linear(width, count)
        self.leave = nn.Linear(width, config.timbre_dims)

    def forward(self, normalized: GainNormalizedFrames, notes: NoteBatch, rate: int) -> Tensor:
        """Computes the rounded vectors of whole clips."""
        with torch.autocast(notes.onset_BN.device.type, enabled=False):
            h_BGC, key_BGK = self._frames(normalized, notes, rate)
            return round_straight_through(self._pool(h_BGC, key_BGK, normalized.weight_BNG.sum(1)))

    def views(self, normalized: GainNormalizedFrames, notes: NoteBatch, rate: int) -> TimbreViews:
        """Computes the vectors of whole clips and of subsets of their notes, for training."""
        with torch.autocast(notes.onset_BN.device.type, enabled=False):
            h_BGC, key_BGK = self._frames(normalized, notes, rate)
            even_N = torch.arange(notes.onset_BN.shape[1], device=key_BGK.device) % 2 == 0
            whole, even, odd = (
                self._pool(h_BGC, key_BGK, (normalized.weight_BNG * notes_N[:, None]).sum(1))
                for notes_N in (torch.ones_like(even_N), even_N, ~even_N)
            )
        return TimbreViews(whole, even, odd, notes.mask_BN.sum(1) > 1)

    def _frames(self, normalized: GainNormalizedFrames, notes: NoteBatch, rate: int) -> tuple[Tensor, Tensor]:
        """Computes each frame's embedding [B, G, C] and the logarithms of its pooling weights [B, G, K]."""
        h_BGC = self.enter(frame_inputs(normalized, notes, rate))
        h_BGC = h_BGC + self.deepen(nn.functional.gelu(h_BGC))
        return h_BGC, self.key(h_BGC) + normalized.gain_BG.clamp(min=1e-6).log()[..., None]

    def _pool(self, h_BGC: Tensor, key_BGK: Tensor, weight_BG: Tensor) -> Tensor:
        """Pools frames of the given weights [B, G] to vectors [B, K, D] within -1..1."""
        share_BGK = (key_BGK + weight_BG.clamp(1e-6, 1.0).log()[..., None]).softmax(1)
        return torch.tanh(self.leave(torch.einsum("bgk,bgc->bkc", share_BGK, h_BGC)))


def frame_inputs(normalized: GainNormalizedFrames, notes: NoteBatch, rate: int) -> Tensor:
    """Computes each frame's levels by harmonic number, its note's pitch and time since onset: [B, G, I]."""
    index_BG = normalized.weight_BNG.argmax(1)
    pitch_BG, onset_BG = (part.gather(1, index_BG) for part in (notes.pitch_BN, notes.onset_BN))
    multiples = torch.cat([torch.arange(1.0, PARTIALS + 1), torch.arange(SUBHARMONICS) + 0.5])
    normalized_BGC = normalized.power_BGC / normalized.unit_power_BG.clamp(min=1e-7)[..., None]
    level_BGI = partial_levels(normalized_BGC, midi_to_hz(pitch_BG), multiples, rate).clamp(
        SILENCE_LEVEL, 2.0
    )
    at = torch.arange(level_BGI.shape[1], device=onset_BG.device) * float(LONG_HOP)
    time_BG = ((at - onset_BG) / rate).clamp(0.0, 1.0)
    tags = torch.stack([(pitch_BG - 60.0) / 12.0, time_BG], dim=-1)
    return torch.cat([(level_BGI + 7.0) / 4.0, tags], dim=-1)


def round_straight_through(soft_BKD: Tensor) -> Tensor:
    """Rounds numbers of -1..1 to integers; the gradient passes unchanged (straight-through estimator)."""
    return soft_BKD + (soft_BKD.round() - soft_BKD).detach()


def consistency_loss(views: TimbreViews) -> Tensor:
    """Computes the distance between the subsets of a clip's notes, relative to the variance over clips."""
    distance_B = (views.even_BKD - views.odd_BKD).square().mean((1, 2))
    count = views.both_B.sum().clamp(min=1)
    return (distance_B * views.both_B).sum() / count / (views.whole_BKD.var(0, correction=0).mean() + 1e-3)
