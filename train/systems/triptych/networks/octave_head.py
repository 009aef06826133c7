"""Estimates the octave of a timbre: how many octaves above the written notes it sounds.

From audio alone a phrase in a high register on a usual timbre, and a usual phrase on a timbre that sounds an
octave higher, are one sound. So the octave is a maximum-a-posteriori choice:

    P(octave | vector, sounding) ~ P(octave | vector) P(register = sounding - octave)

The first factor is a classifier of the timbre vector, which begins at `TIMBRE_PRIOR`. The second is the share
of registers among the phrases of the dataset, or the stated `REGISTER_PRIOR`.

Shape suffixes: B clips, D numbers of a timbre vector, O octaves from -3 to 3.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FARTHEST = 3
"""The octaves are -3 to 3."""

TIMBRE_PRIOR = (0.005, 0.02, 0.075, 0.8, 0.075, 0.02, 0.005)
"""Most timbres sound where they are played."""

REGISTER_PRIOR = (0.0005, 0.0045, 0.095, 0.8, 0.095, 0.0045, 0.0005)
"""Most phrases lie in the usual register, some an octave above or below it."""


UNLIKE = 0.3
"""Probability that a timbre is unlike those of training, so that the prior holds and not the classifier. A
classifier of few timbres is sure of itself, and often wrong on others."""


class OctaveHead(nn.Module):
    """Estimates log probabilities of the octaves of timbres.

    Example::

        log_probability_BO = head(vector_BD, sounding_B)
        octave_B = log_probability_BO.argmax(-1) - FARTHEST
    """

    register_shares: Tensor

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.score = nn.Linear(dims, 2 * FARTHEST + 1)
        nn.init.zeros_(self.score.weight)
        with torch.no_grad():
            self.score.bias.copy_(torch.tensor(TIMBRE_PRIOR).log())
        self.register_buffer("register_shares", torch.tensor(REGISTER_PRIOR))

    def forward(self, vector_BD: Tensor, sounding_B: Tensor) -> Tensor:
        """Computes log probabilities, float32 [B, O].

        Args:
            vector_BD: timbre vectors.
            sounding_B: octave of each clip's sounding median pitch, int64, see `manifests.synthesis.octaves`.
        """
        octave_O = torch.arange(-FARTHEST, FARTHEST + 1, device=vector_BD.device)
        register_BO = (sounding_B[:, None] - octave_O).clamp(-FARTHEST, FARTHEST) + FARTHEST
        register_log_BO = self.register_shares.log()[register_BO]
        prior_O = torch.tensor(TIMBRE_PRIOR, device=vector_BD.device)
        timbre_BO = (1.0 - UNLIKE) * self.score(vector_BD).softmax(-1) + UNLIKE * prior_O
        log_BO: Tensor = (timbre_BO.log() + register_log_BO).log_softmax(-1)
        return log_BO

    def loss(self, vector_BD: Tensor, octave_B: Tensor) -> Tensor:
        """Computes the classifier's cross-entropy for true octaves, int64 [B]."""
        target = octave_B.clamp(-FARTHEST, FARTHEST) + FARTHEST
        return F.cross_entropy(self.score(vector_BD), target)

    @torch.no_grad()
    def set_registers(self, registers: Sequence[int]) -> None:
        """Sets the shares of registers to those of phrases; the stated prior counts as one phrase."""
        places = torch.tensor(registers).clamp(-FARTHEST, FARTHEST) + FARTHEST
        counts = torch.bincount(places, minlength=2 * FARTHEST + 1) + torch.tensor(REGISTER_PRIOR)
        self.register_shares.copy_(counts / counts.sum())
