"""The learned part of a timbre: a few vectors of numbers that are -1, 0 or 1.

A mel frame tells its pitch, and what pools mel frames tells the phrase. So the frames are read by harmonic
number instead, their gain taken out, and pooled over a clip; what is left of the notes in so few small
integers (finite scalar quantisation, Mentzer et al., 2024) is hardly anything once two halves of one clip's
notes are taught to give the same. `benchmarks/probes.py` measures it.

B clips, G frames, N notes, K vectors of D numbers, I inputs.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from train.nn.gain import NoteBatch
from train.nn.layers import mlp
from train.systems.triptych.config import TriptychConfig
from train.systems.triptych.networks.features import LONG_HOP
from train.systems.triptych.networks.partials import SILENT, hertz, level_at
from train.systems.triptych.networks.timbre import Opened

PARTIALS = 24
"""The multiples of f0 that are read in each frame,"""

HALVES = 16
"""and the odd multiples of f0/2."""


class Views(NamedTuple):
    """Vectors [B, K, D] of whole clips before rounding, and of the even and the odd notes of each alone.

    `both_B` says which clips have notes of both kinds.
    """

    whole_BKD: Tensor
    even_BKD: Tensor
    odd_BKD: Tensor
    both_B: Tensor


class TimbreEncoder(nn.Module):
    """Frames of a clip, by harmonic number -> vectors [B, 1 + tokens, D].

    The first is the timbre's vector; the others, if any, are what the decoder may attend to. Each pools
    the frames by weights of its own, and nothing depends on what else is in the batch.
    """

    def __init__(self, config: TriptychConfig) -> None:
        super().__init__()
        width, count = config.timbre_width, 1 + config.timbre_tokens
        self.enter = nn.Linear(PARTIALS + HALVES + 2, width)
        self.deepen = mlp(width, width, width)
        self.key = nn.Linear(width, count)
        self.leave = nn.Linear(width, config.timbre_dims)

    def forward(self, opened: Opened, notes: NoteBatch, rate: int) -> Tensor:
        """The vectors of whole clips, as they are handed on."""
        with torch.autocast(notes.onset_BN.device.type, enabled=False):
            h_BGC, key_BGK = self._frames(opened, notes, rate)
            return rounded(self._pool(h_BGC, key_BGK, opened.weight_BNG.sum(1)))

    def views(self, opened: Opened, notes: NoteBatch, rate: int) -> Views:
        """What the training wants to see: whole clips and halves of their notes."""
        with torch.autocast(notes.onset_BN.device.type, enabled=False):
            h_BGC, key_BGK = self._frames(opened, notes, rate)
            even_N = torch.arange(notes.onset_BN.shape[1], device=key_BGK.device) % 2 == 0
            whole, even, odd = (
                self._pool(h_BGC, key_BGK, (opened.weight_BNG * some[:, None]).sum(1))
                for some in (torch.ones_like(even_N), even_N, ~even_N)
            )
        return Views(whole, even, odd, notes.mask_BN.sum(1) > 1)

    def _frames(self, opened: Opened, notes: NoteBatch, rate: int) -> tuple[Tensor, Tensor]:
        """What is made of each frame, and the logarithms of its weights in the pools."""
        h_BGC = self.enter(frame_inputs(opened, notes, rate))
        h_BGC = h_BGC + self.deepen(nn.functional.gelu(h_BGC))
        return h_BGC, self.key(h_BGC) + opened.gain_BG.clamp(min=1e-6).log()[..., None]

    def _pool(self, h_BGC: Tensor, key_BGK: Tensor, weight_BG: Tensor) -> Tensor:
        share_BGK = (key_BGK + weight_BG.clamp(1e-6, 1.0).log()[..., None]).softmax(1)
        return torch.tanh(self.leave(torch.einsum("bgk,bgc->bkc", share_BGK, h_BGC)))


def frame_inputs(opened: Opened, notes: NoteBatch, rate: int) -> Tensor:
    """Each frame's levels by harmonic number, its note's pitch and the time since its onset: [B, G, I]."""
    index_BG = opened.weight_BNG.argmax(1)
    pitch_BG, onset_BG = (part.gather(1, index_BG) for part in (notes.pitch_BN, notes.onset_BN))
    multiples = torch.cat([torch.arange(1.0, PARTIALS + 1), torch.arange(HALVES) + 0.5])
    plain_BGC = opened.power_BGC / opened.unit_BG.clamp(min=1e-7)[..., None]
    level_BGI = level_at(plain_BGC, hertz(pitch_BG), multiples, rate).clamp(SILENT, 2.0)
    at = torch.arange(level_BGI.shape[1], device=onset_BG.device) * float(LONG_HOP)
    since_BG = ((at - onset_BG) / rate).clamp(0.0, 1.0)
    tags = torch.stack([(pitch_BG - 60.0) / 12.0, since_BG], dim=-1)
    return torch.cat([(level_BGI + 7.0) / 4.0, tags], dim=-1)


def rounded(soft_BKD: Tensor) -> Tensor:
    """Numbers between -1 and 1 as whole ones; the gradient goes straight through."""
    return soft_BKD + (soft_BKD.round() - soft_BKD).detach()


def likeness_loss(views: Views) -> Tensor:
    """How far the halves of clips are from each other, for how far clips are from each other."""
    apart_B = (views.even_BKD - views.odd_BKD).square().mean((1, 2))
    count = views.both_B.sum().clamp(min=1)
    return (apart_B * views.both_B).sum() / count / (views.whole_BKD.var(0, correction=0).mean() + 1e-3)
