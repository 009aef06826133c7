"""Estimates a clip's envelope from its level and its notes: one estimate for each note, pooled over notes.

A note's level is sampled on a grid that is fine around its onset and its note-off and coarse far from them.
So notes of any length look alike. Attention over the grid gives an estimate of attack, hold, decay, sustain,
release and curve for each note, with a confidence. The clip's envelope is the mean of its notes' estimates
weighted by confidence: a vector of fixed size, whatever the rhythm. `train.nn.gain` computes the gain of
other notes from it in closed form.

Shape suffixes: B clips, N notes, R = B * N rows, L level steps, M grid points, C channels, P = 6 parameters.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from train.audio.spectral import interpolate_curve
from train.nn.gain import EnvelopeBatch, NoteBatch, gain_curve
from train.nn.layers import mlp

PARAMETERS = 6
"""Attack, hold, decay, sustain, release and curve."""


class EnvelopeEstimate(NamedTuple):
    """The head's outputs, in its own units (see `to_units`).

    Attributes:
        note_BNP: estimate of each note.
        log_scale_BNP: log scale of each estimate's Laplace distribution.
        clip_BP: estimate of the clip, pooled over notes.
    """

    note_BNP: Tensor
    log_scale_BNP: Tensor
    clip_BP: Tensor


def to_units(envelope: EnvelopeBatch) -> Tensor:
    """Converts envelopes to the head's units, [..., 6].

    Attack, decay and release become log(ms + 1), and the hold log(ms + 10). The sustain level is multiplied
    by 4. The curve is 0 (linear) to 1 (exponential).
    """
    return torch.stack(
        [
            (envelope.attack + 1.0).log(),
            (envelope.hold + 10.0).log(),
            (envelope.decay + 1.0).log(),
            envelope.sustain * 4.0,
            (envelope.release + 1.0).log(),
            envelope.curve,
        ],
        dim=-1,
    )


def from_units(units: Tensor) -> EnvelopeBatch:
    """Converts vectors [..., 6] in the head's units to envelopes, clipped to their valid ranges."""
    attack, hold, decay, sustain, release, curve = units.clamp(-2.0, 11.0).unbind(-1)
    return EnvelopeBatch(
        (attack.exp() - 1.0).clamp(min=0.0),
        (hold.exp() - 10.0).clamp(min=0.0),
        (decay.exp() - 1.0).clamp(min=0.0),
        (sustain / 4.0).clamp(0.0, 1.0),
        (release.exp() - 1.0).clamp(min=0.0),
        curve.clamp(0.0, 1.0),
    )


def grid_ms(before: float, after: float, fine: float, points: int) -> Tensor:
    """Returns times from `-before` to `after` ms, [points], with a spacing that grows beyond `fine` ms."""
    low, high = -math.asinh(before / fine), math.asinh(after / fine)
    return fine * torch.linspace(low, high, points, dtype=torch.float64).sinh().float()


class CurveReader(nn.Module):
    """Encodes curves on a grid, [R, C, M] -> [R, heads * width], by convolutions and attention pooling."""

    def __init__(self, channels: int, width: int, heads: int) -> None:
        super().__init__()
        self.enter = nn.Conv1d(channels, width, 5, padding=2)
        self.steps = nn.ModuleList(
            nn.Conv1d(width, width, 5, padding=2 * dilation, dilation=dilation) for dilation in (1, 2, 4)
        )
        self.keys = nn.Conv1d(width, heads, 1)

    def forward(self, x_RCM: Tensor) -> Tensor:
        h = self.enter(x_RCM)
        for step in self.steps:
            h = h + step(nn.functional.gelu(h))
        attention = self.keys(h).softmax(-1)
        return torch.einsum("rhm,rcm->rhc", attention, h).flatten(1)


class EnvelopeHead(nn.Module):
    """Estimates envelopes from level curves and notes.

    Example::

        estimate = head(features.level_BL, notes)
        envelopes = from_units(estimate.clip_BP)
    """

    onset_grid: Tensor
    off_grid: Tensor

    def __init__(self, width: int, rate: int, level_hop: int, heads: int = 6) -> None:
        super().__init__()
        self.per_ms = rate / 1000.0
        self.level_hop = level_hop
        self.register_buffer("onset_grid", grid_ms(12.0, 900.0, 12.0, 96), persistent=False)
        self.register_buffer("off_grid", grid_ms(40.0, 600.0, 12.0, 64), persistent=False)
        self.onset_reader = CurveReader(6, width, heads)
        self.off_reader = CurveReader(6, width, heads)
        self.judge = mlp(2 * heads * width + 3, 2 * width, 2 * PARAMETERS)
        start = EnvelopeBatch(*(torch.tensor(v) for v in (25.0, 10.0, 120.0, 0.4, 90.0, 0.0)))
        self.register_buffer("start", to_units(start), persistent=False)

    start: Tensor

    def forward(self, level_BL: Tensor, notes: NoteBatch) -> EnvelopeEstimate:
        peak_BN = self._peaks(level_BL, notes)
        smooth = nn.functional.avg_pool1d(level_BL[:, None], 9, 1, 4, count_include_pad=False)[:, 0]
        onset = self._curves(level_BL, smooth, notes, notes.onset_BN, self.onset_grid, peak_BN)
        off = self._curves(level_BL, smooth, notes, notes.off_BN, self.off_grid, peak_BN)
        gate = ((notes.off_BN - notes.onset_BN) / self.per_ms).clamp(min=1.0).log()
        span = ((notes.end_BN - notes.off_BN) / self.per_ms).clamp(min=0.0).add(1.0).log()
        extra = torch.stack([gate, span, (notes.onset_BN > 0).float()], dim=-1).flatten(0, 1) / 5.0
        read = torch.cat([self.onset_reader(onset), self.off_reader(off), extra], dim=-1)
        outputs = self.judge(read).reshape(*notes.mask_BN.shape, -1)
        values = outputs[..., :PARAMETERS] + self.start
        log_scale = outputs[..., PARAMETERS:].clamp(-5.0, 4.0)
        weight = (-log_scale).exp() * notes.mask_BN[..., None]
        pooled = (weight * values).sum(1) / weight.sum(1).clamp(min=1e-6)
        return EnvelopeEstimate(values, log_scale, pooled)

    def _peaks(self, level_BL: Tensor, notes: NoteBatch) -> Tensor:
        """Computes the highest smoothed power inside each note, [B, N]."""
        smooth = nn.functional.avg_pool1d(level_BL[:, None], 17, 1, 8)[:, 0]
        at = torch.linspace(0.0, 1.0, 65, device=level_BL.device)
        places = notes.onset_BN[..., None] + at * (notes.end_BN - notes.onset_BN)[..., None]
        read = interpolate_curve(smooth, places.flatten(1) / self.level_hop).reshape(places.shape)
        return read.amax(-1).clamp(min=1e-10)

    def _curves(
        self,
        level_BL: Tensor,
        smooth_BL: Tensor,
        notes: NoteBatch,
        at_BN: Tensor,
        grid: Tensor,
        peak_BN: Tensor,
    ) -> Tensor:
        """Samples the level around each note's onset or note-off, with masks of its own span: [R, 6, M]."""
        places = at_BN[..., None] + grid * self.per_ms
        own = (places >= notes.onset_BN[..., None]) & (places < notes.end_BN[..., None])
        held = own & (places < notes.off_BN[..., None])
        channels = []
        for curve in (level_BL, smooth_BL):
            read = interpolate_curve(curve, places.flatten(1) / self.level_hop).reshape(places.shape)
            relative = (read / peak_BN[..., None]).clamp(1e-6, 4.0)
            channels += [relative.log10() / 3.0 + 1.0, relative.sqrt()]
        stacked = torch.stack([*channels, own.float(), held.float()], dim=2)
        return (stacked * own[:, :, None]).flatten(0, 1)


def envelope_losses(
    estimate: EnvelopeEstimate, true: EnvelopeBatch, notes: NoteBatch, rate: int
) -> dict[str, Tensor]:
    """Computes the losses of envelope estimates, by name.

    `envelope_notes` is the Laplace likelihood of each note's estimate. `envelope` is the distance of the
    pooled one in the head's units, and `envelope_curve` that of the gain curves which it gives.

    Args:
        estimate: the head's outputs.
        true: the true envelopes, one for each clip.
        notes: notes of the clips, times in samples.
        rate: sample rate in Hz.
    """
    target = to_units(true)
    mask = notes.mask_BN[..., None]
    likelihood = (estimate.note_BNP - target[:, None]).abs() * (
        -estimate.log_scale_BNP
    ).exp() + estimate.log_scale_BNP
    pooled = from_units(estimate.clip_BP)
    grid = grid_ms(0.0, 1200.0, 12.0, 96).to(target.device)
    gate = ((notes.off_BN - notes.onset_BN) / (rate / 1000.0))[..., None]
    curves = [gain_curve(envelope.map(lambda v: v[:, None, None]), gate, grid) for envelope in (pooled, true)]
    linear = (curves[0] - curves[1]).abs()
    log = ((curves[0] + 1e-2).log10() - (curves[1] + 1e-2).log10()).abs()
    count = notes.mask_BN.sum().clamp(min=1)
    return {
        "envelope_notes": (likelihood * mask).sum() / (count * PARAMETERS),
        "envelope": (estimate.clip_BP - target).abs().mean(),
        "envelope_curve": ((linear + log).mean(-1) * notes.mask_BN).sum() / count,
    }
