"""An envelope that is learned: six numbers without names, and a network that unfolds them on any note.

Level curves are read by the codec's own envelope head, so only what its numbers mean is left to training. The
reference's envelope is learned too, but goes frame by frame and fits no other rhythm; this one does.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.audio.spectral import interpolate_curve
from train.nn.gain import NoteBatch, cut_fade_gain
from train.nn.layers import mlp
from train.systems.triptych.networks.envelope_head import PARAMETERS, EnvelopeHead
from train.systems.triptych.networks.features import LEVEL_HOP

TAUS_S = (0.005, 0.02, 0.06, 0.2, 0.6)


class LatentGain(nn.Module):
    """Level curves and notes of B clips -> latents [B, 6]; latents and R notes -> gains."""

    def __init__(self, width: int, rate: int, cut_fade_ms: float) -> None:
        super().__init__()
        self.rate, self.cut_fade_ms = rate, cut_fade_ms
        self.reader = EnvelopeHead(width, rate, LEVEL_HOP)
        self.unfold = mlp(PARAMETERS + 2 * len(TAUS_S) + 4, 96, 1)

    def latent(self, level_BL: Tensor, notes: NoteBatch) -> Tensor:
        """What the curves of B clips come to, [B, 6]; near 0 and 1."""
        units: Tensor = self.reader(level_BL, notes).clip_BP
        return (units - self.reader.start) / 2.0

    def forward(self, latent_RP: Tensor, notes: NoteBatch, start_R: Tensor, samples: int) -> Tensor:
        """The gain of notes (R clips of one note each) from sample `start_R` of each on, [R, samples]."""
        points = samples // LEVEL_HOP + 2
        onset, off, end = notes.onset_BN, notes.off_BN, notes.end_BN
        place = torch.arange(points, device=start_R.device) * float(LEVEL_HOP)
        since = (start_R[:, None] + place) / self.rate
        held = (off - onset) / self.rate
        after = since - held
        seen = [since, held.expand_as(since), after, (after > 0.0).float()]
        for time in (since, after):
            seen += [torch.exp(-time.clamp(min=0.0) / tau) for tau in TAUS_S]
        told = latent_RP[:, None].expand(-1, points, -1)
        level = self.unfold(torch.cat([told, torch.stack(seen, dim=-1)], dim=-1))[..., 0]
        # A gain of 1 is in reach, and so is silence.
        curve = (-F.softplus(-2.0 * level)).exp()
        at = torch.arange(samples, device=start_R.device).float()
        gain = interpolate_curve(curve, (at / LEVEL_HOP).expand(len(curve), -1))
        at = at + onset + start_R[:, None]
        inside = (at >= onset) & (at < end)
        return gain * notes.velocity_BN * cut_fade_gain(at, end, self.rate, self.cut_fade_ms) * inside
