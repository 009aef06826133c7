"""A learned envelope: a latent of six numbers, and a network that predicts the gain of any note from it.

The codec's envelope head encodes level curves, so training only decides what its numbers mean. SynthCloner's
envelope latent is learned too, but has one value a frame and fits no other rhythm.

Shapes: B clips, L points of a level curve, P numbers of a latent, R notes.
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
"""Time constants of the exponential features of time, in seconds."""


class LatentGain(nn.Module):
    """Encodes level curves as latents, and predicts gains of notes from latents."""

    def __init__(self, width: int, rate: int, cut_fade_ms: float) -> None:
        super().__init__()
        self.rate, self.cut_fade_ms = rate, cut_fade_ms
        self.reader = EnvelopeHead(width, rate, LEVEL_HOP)
        self.unfold = mlp(PARAMETERS + 2 * len(TAUS_S) + 4, 96, 1)

    def latent(self, level_BL: Tensor, notes: NoteBatch) -> Tensor:
        """Encodes the level curves and notes of B clips: latents, float32 [B, P], of magnitude about 1."""
        units: Tensor = self.reader(level_BL, notes).clip_BP
        return (units - self.reader.start) / 2.0

    def forward(self, latent_RP: Tensor, notes: NoteBatch, start_R: Tensor, samples: int) -> Tensor:
        """Predicts the gain of R notes from sample `start_R` of each: float32 [R, samples], 0 outside the
        note.

        `notes` has one note in each row.
        """
        points = samples // LEVEL_HOP + 2
        onset, off, end = notes.onset_BN, notes.off_BN, notes.end_BN
        position = torch.arange(points, device=start_R.device) * float(LEVEL_HOP)
        since_onset = (start_R[:, None] + position) / self.rate
        duration = (off - onset) / self.rate
        since_off = since_onset - duration
        inputs = [since_onset, duration.expand_as(since_onset), since_off, (since_off > 0.0).float()]
        for time in (since_onset, since_off):
            inputs += [torch.exp(-time.clamp(min=0.0) / tau) for tau in TAUS_S]
        latent = latent_RP[:, None].expand(-1, points, -1)
        level = self.unfold(torch.cat([latent, torch.stack(inputs, dim=-1)], dim=-1))[..., 0]
        # The curve can reach both 1 and silence.
        curve = (-F.softplus(-2.0 * level)).exp()
        at = torch.arange(samples, device=start_R.device).float()
        gain = interpolate_curve(curve, (at / LEVEL_HOP).expand(len(curve), -1))
        at = at + onset + start_R[:, None]
        inside = (at >= onset) & (at < end)
        return gain * notes.velocity_BN * cut_fade_gain(at, end, self.rate, self.cut_fade_ms) * inside
