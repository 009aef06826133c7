"""The envelope's numbers from a clip's level and its notes: each note judged, then pooled over notes.

A note's level is read on a grid of times that is fine around its onset and its note-off and coarse far from
them, so notes of any length look alike. Attention over the grid inside each note gives its opinion of
attack, hold, decay, sustain, release and curve, each with a confidence; the clip's envelope is the mean of
its notes' opinions weighted by confidence: a vector of fixed size, whatever the rhythm. Unfolding it on
other notes is the closed form in `train.nn.gain`.

B clips, N notes, R = B * N rows, M grid points, P = 6 parameters.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from train.audio.spectral import sample_at
from train.nn.gain import EnvelopeBatch, NoteBatch, gain_curve
from train.nn.layers import mlp

PARAMETERS = 6
TIMES = (0, 1, 2, 4)
"""Places of attack, hold, decay and release among the parameters: those that are logarithms of ms."""


class EnvelopeGuess(NamedTuple):
    """The opinions of notes and of the clip, in the head's own units (see `to_units`).

    `note_BNP` and its log scale `doubt_BNP` (of a Laplace distribution); `clip_BP`, pooled.
    """

    note_BNP: Tensor
    doubt_BNP: Tensor
    clip_BP: Tensor


def to_units(envelope: EnvelopeBatch) -> Tensor:
    """Envelopes as vectors [..., 6]: log ms of attack, hold (+ 10), decay, sustain, log release, curve."""
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
    """The envelopes that vectors [..., 6] stand for, inside the ranges that envelopes have."""
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
    """Times from `-before` to `after` ms, spaced in proportion to their distance from 0 beyond `fine`."""
    low, high = -math.asinh(before / fine), math.asinh(after / fine)
    return fine * torch.linspace(low, high, points, dtype=torch.float64).sinh().float()


class CurveReader(nn.Module):
    """Curves on a grid [R, C, M] -> one vector a row [R, heads * width]: convolutions, then attention."""

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
    """Level curves and notes -> the envelope of each clip."""

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

    def forward(self, level_BL: Tensor, notes: NoteBatch) -> EnvelopeGuess:
        peak_BN = self._peaks(level_BL, notes)
        smooth = nn.functional.avg_pool1d(level_BL[:, None], 9, 1, 4, count_include_pad=False)[:, 0]
        onset = self._curves(level_BL, smooth, notes, notes.onset_BN, self.onset_grid, peak_BN)
        off = self._curves(level_BL, smooth, notes, notes.off_BN, self.off_grid, peak_BN)
        gate = ((notes.off_BN - notes.onset_BN) / self.per_ms).clamp(min=1.0).log()
        span = ((notes.end_BN - notes.off_BN) / self.per_ms).clamp(min=0.0).add(1.0).log()
        extra = torch.stack([gate, span, (notes.onset_BN > 0).float()], dim=-1).flatten(0, 1) / 5.0
        read = torch.cat([self.onset_reader(onset), self.off_reader(off), extra], dim=-1)
        judged = self.judge(read).reshape(*notes.mask_BN.shape, -1)
        values = judged[..., :PARAMETERS] + self.start
        doubt = judged[..., PARAMETERS:].clamp(-5.0, 4.0)
        weight = (-doubt).exp() * notes.mask_BN[..., None]
        pooled = (weight * values).sum(1) / weight.sum(1).clamp(min=1e-6)
        return EnvelopeGuess(values, doubt, pooled)

    def _peaks(self, level_BL: Tensor, notes: NoteBatch) -> Tensor:
        """The highest smoothed power inside each note, [B, N]."""
        smooth = nn.functional.avg_pool1d(level_BL[:, None], 17, 1, 8)[:, 0]
        at = torch.linspace(0.0, 1.0, 65, device=level_BL.device)
        places = notes.onset_BN[..., None] + at * (notes.end_BN - notes.onset_BN)[..., None]
        read = sample_at(smooth, places.flatten(1) / self.level_hop).reshape(places.shape)
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
        """The level of each note around its onset or note-off, and what of it is its own: [R, 6, M]."""
        places = at_BN[..., None] + grid * self.per_ms
        own = (places >= notes.onset_BN[..., None]) & (places < notes.end_BN[..., None])
        held = own & (places < notes.off_BN[..., None])
        channels = []
        for curve in (level_BL, smooth_BL):
            read = sample_at(curve, places.flatten(1) / self.level_hop).reshape(places.shape)
            relative = (read / peak_BN[..., None]).clamp(1e-6, 4.0)
            channels += [relative.log10() / 3.0 + 1.0, relative.sqrt()]
        stacked = torch.stack([*channels, own.float(), held.float()], dim=2)
        return (stacked * own[:, :, None]).flatten(0, 1)


def envelope_losses(
    guess: EnvelopeGuess, true: EnvelopeBatch, notes: NoteBatch, rate: int
) -> dict[str, Tensor]:
    """Laplace likelihood of each note's opinion, distance of the pooled one, and of the curve it renders."""
    target = to_units(true)
    mask = notes.mask_BN[..., None]
    likelihood = (guess.note_BNP - target[:, None]).abs() * (-guess.doubt_BNP).exp() + guess.doubt_BNP
    pooled = from_units(guess.clip_BP)
    grid = grid_ms(0.0, 1200.0, 12.0, 96).to(target.device)
    gate = ((notes.off_BN - notes.onset_BN) / (rate / 1000.0))[..., None]
    curves = [
        gain_curve(EnvelopeBatch(*(v[:, None, None] for v in envelope)), gate, grid)
        for envelope in (pooled, true)
    ]
    linear = (curves[0] - curves[1]).abs()
    log = ((curves[0] + 1e-2).log10() - (curves[1] + 1e-2).log10()).abs()
    count = notes.mask_BN.sum().clamp(min=1)
    return {
        "envelope_notes": (likelihood * mask).sum() / (count * PARAMETERS),
        "envelope": (guess.clip_BP - target).abs().mean(),
        "envelope_curve": ((linear + log).mean(-1) * notes.mask_BN).sum() / count,
    }
