"""The heard envelope made exact: the closed form is fitted to the level that was heard.

The envelope head's numbers are a good first guess, and the gain is known in closed form; so a dozen
Gauss-Newton steps on the distance between the gain's level and the clip's bring them from some 15% to 1 or
2% of the true ones, for envelopes never seen in training as well. Note-offs are moved along, since a release
tells where it began. What cannot be heard (a release that is always cut, the note-off of a note that has
died away) stays at the guess.

The distance is absolute, not squared, so that what no envelope explains (a beat, a click) does not pull:
least squares, reweighted at every step, damped after Levenberg and Marquardt. An envelope's five numbers
meet every note, a note-off its own note alone, so the normal equations are an arrow and are solved as
one 5 x 5 system a clip. All derivatives come from one batched evaluation of the curve.

B clips, N notes, L level steps, V variants tried at once, P = 5 numbers of an envelope.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from train.nn.gain import EnvelopeBatch, NoteBatch, cut, held_curve, owner, segment
from train.systems.triptych.networks.envelope_head import from_units
from train.systems.triptych.networks.features import LEVEL_HOP

STEPS = 14
SEARCHES = (0, 4, 8)
"""Steps before which note-offs are searched for over whole notes, as descent only finds what is near."""

NUDGE = 0.02
"""How far a number is moved for its derivative."""

FARTHEST = 0.5
"""The longest way of a number in one step: a factor of 1.6 in a time, 0.12 in the sustain level."""

PRIOR = 0.002
LOG_WEIGHT = 0.15
LOG_FLOOR = 3e-3
OFF_MS = 40.0
"""Unit of a note-off's way, so that it travels as fast as the logarithms of times do."""

PLACES = 24
"""Note-offs tried in each note, evenly spread over its span."""

WORSE = 1.1
"""A note-off explains its note as well as another if it is so little further from it."""


class Fitted(NamedTuple):
    """Envelopes in the head's units [B, 6], note-offs in samples [B, N], and what of each number the level
    cannot tell apart, [B, 5]: its standard error, in the head's units."""

    units_BP: Tensor
    off_BN: Tensor
    error_BP: Tensor


class _Slope(NamedTuple):
    """The quadratic that stands for the distance near a point: gradients and the arrow of second ones."""

    loss_B: Tensor
    units_BP: Tensor
    moves_BN: Tensor
    corner_BPP: Tensor
    edge_BNP: Tensor
    shaft_BN: Tensor


class _Levels:
    """The levels of clips, and how well envelopes and note-offs explain them.

    Velocities are not used: each note has the loudness that explains it best.
    """

    def __init__(self, level_BL: Tensor, notes: NoteBatch, rate: int, cut_fade_ms: float) -> None:
        self.rate, self.notes = rate, notes
        at_BL = (torch.arange(level_BL.shape[1], device=level_BL.device) * float(LEVEL_HOP)).expand_as(
            level_BL
        )
        index_BL, inside_BL = owner(notes, at_BL)
        self.index_BL = index_BL
        end_BL = notes.end_BN.gather(1, index_BL)
        self.inside_BL = (inside_BL & (at_BL < end_BL)).float()
        self.time_BL = (at_BL - notes.onset_BN.gather(1, index_BL)) * (1000.0 / rate)
        self.cut_BL = cut(at_BL, end_BL, rate, cut_fade_ms) * self.inside_BL
        heard_BL = _smoothed(level_BL)
        self.heard_BL = heard_BL / heard_BL.amax(1, keepdim=True).clamp(min=1e-6)
        self.heard_log_BL = (self.heard_BL + LOG_FLOOR).log()
        self.points_BN = self.sums(self.inside_BL).clamp(min=1.0)
        self.points_B = self.inside_BL.sum(1).clamp(min=1.0)

    def sums(self, values: Tensor) -> Tensor:
        """Sums over each note's own points: [..., B, L] -> [..., B, N]."""
        index = self.index_BL.expand(values.shape)
        shape = (*values.shape[:-1], self.notes.onset_BN.shape[1])
        return torch.zeros(shape, device=values.device).scatter_add(-1, index, values)

    def differences(self, units_VBP: Tensor, curve_B: Tensor, off_VBN: Tensor) -> tuple[Tensor, Tensor]:
        """What the level lacks of what is said of it, linear and logarithmic: [V, B, L] each."""
        envelope = EnvelopeBatch(*(value[..., None] for value in from_units(_with_curve(units_VBP, curve_B))))
        index = self.index_BL.expand(*off_VBN.shape[:-1], -1)
        gate_VBN = (off_VBN - self.notes.onset_BN) * (1000.0 / self.rate)
        gate = gate_VBN.gather(-1, index)
        reached = held_curve(envelope, gate_VBN).gather(-1, index)
        falling = reached * (1.0 - segment(self.time_BL, gate, envelope.release, envelope.curve))
        gain = torch.where(self.time_BL < gate, held_curve(envelope, self.time_BL), falling) * self.cut_BL
        power = F.pad(gain.square(), (1, 1))
        # The same smoothing that the level went through.
        shape = _smoothed(0.25 * (power[..., :-2] + power[..., 2:]) + 0.5 * power[..., 1:-1])
        best = self.sums(shape * self.heard_BL) / self.sums(shape.square()).clamp(min=1e-6)
        ours = shape * best.clamp(min=1e-5).gather(-1, index)
        return (
            (ours - self.heard_BL) * self.inside_BL,
            ((ours + LOG_FLOOR).log() - self.heard_log_BL) * self.inside_BL,
        )

    def search(self, units_BP: Tensor, curve_B: Tensor, off_BN: Tensor) -> Tensor:
        """Of the note-offs at hand and some all over each note, the latest that explains it as well as any.

        The latest, because a note that has died away looks the same whenever it is let go, and a decay can
        be mistaken for the release of a note let go at once.
        """
        onset, end = self.notes.onset_BN, self.notes.end_BN
        share_V = torch.arange(2, PLACES + 1, device=off_BN.device)[:, None, None] / PLACES
        tried = torch.cat([off_BN[None], onset + (end - onset) * share_V])
        linear, log = self.differences(units_BP.expand(len(tried), -1, -1), curve_B, tried)
        distance = self.sums(linear.abs() + LOG_WEIGHT * log.abs()) / self.points_BN
        good = distance <= distance.amin(0) * WORSE + 1e-3
        return torch.where(good, tried, torch.zeros_like(tried)).amax(0)

    def moved(self, off_BN: Tensor, moves: Tensor) -> Tensor:
        """Note-offs moved by so many units of `OFF_MS`, inside their notes."""
        off = off_BN + moves * (OFF_MS * self.rate / 1000.0)
        return torch.minimum(torch.maximum(off, self.notes.onset_BN + 0.01 * self.rate), self.notes.end_BN)

    def slope(self, units_BP: Tensor, curve_B: Tensor, off_BN: Tensor, moves_BN: Tensor) -> _Slope:
        """The distance and its derivatives, from one evaluation of a point and six beside it."""
        count = units_BP.shape[-1]
        steps = torch.zeros(count + 2, 1, count, device=off_BN.device)
        steps[torch.arange(count) + 1, 0, torch.arange(count)] = NUDGE
        let_go = torch.zeros(count + 2, 1, 1, device=off_BN.device)
        let_go[-1] = -NUDGE  # earlier: there is always room for that
        tried = self.moved(off_BN, moves_BN + let_go)
        parts = []
        for values, weight, soft in zip(
            self.differences(units_BP + steps, curve_B, tried), (1.0, LOG_WEIGHT), (0.01, 0.05), strict=True
        ):
            scale = weight / (values[0].abs().clamp(min=soft) * self.points_B[:, None])
            changes = torch.cat([(values[1:-1] - values[0]) / NUDGE, (values[-1:] - values[0]) / -NUDGE])
            parts.append((values[0], changes, scale))
        linear, log = (value.abs().sum(1) / self.points_B for value, _, _ in parts)
        units = torch.zeros_like(units_BP)
        corner = torch.zeros(*units_BP.shape, count, device=off_BN.device)
        moves, shaft = torch.zeros_like(off_BN), torch.zeros_like(off_BN)
        edge = torch.zeros(*off_BN.shape, count, device=off_BN.device)
        for value, changes, scale in parts:
            own, others = changes[-1], changes[:-1]
            units += torch.einsum("pbl,bl->bp", others, scale * value)
            corner += torch.einsum("pbl,qbl,bl->bpq", others, others, scale)
            moves += self.sums(own * scale * value)
            edge += self.sums(own * scale * others).permute(1, 2, 0)
            shaft += self.sums(own.square() * scale)
        return _Slope(linear + LOG_WEIGHT * log, units, moves, corner, edge, shaft)


def _smoothed(power: Tensor) -> Tensor:
    """The square root of mean power over nine level steps, 13 ms: [..., L]."""
    padded = F.pad(power, (4, 4))
    threes = padded[..., :-2] + padded[..., 1:-1] + padded[..., 2:]
    nines = threes[..., :-6] + threes[..., 3:-3] + threes[..., 6:]
    return (nines / 9.0).clamp(min=1e-12).sqrt()


def _with_curve(units: Tensor, curve_B: Tensor) -> Tensor:
    return torch.cat([units, curve_B[:, None].expand(*units.shape[:-1], 1)], dim=-1)


@torch.no_grad()
def fit_envelopes(
    level_BL: Tensor, notes: NoteBatch, units_BP: Tensor, rate: int, cut_fade_ms: float, held: bool = False
) -> Fitted:
    """Envelopes and note-offs that explain the levels of clips best, from a first guess of both.

    `units_BP` as in `envelope_head.to_units`; the curve's shape is kept. With `held` the envelopes are
    known, and only note-offs are fitted.
    """
    levels = _Levels(level_BL, notes, rate, cut_fade_ms)
    guess_BP, curve_B = units_BP[:, :5], units_BP[:, 5].clamp(0.0, 1.0).round()
    units, off = guess_BP, notes.off_BN
    moves = torch.zeros_like(off)
    damping_B = torch.full((len(units),), 1e-2, device=off.device)
    prior, eye = PRIOR / 5.0, torch.eye(5, device=off.device)
    weight_N = PRIOR / notes.mask_BN.sum(1, keepdim=True).clamp(min=1)

    def penalty(units_BP: Tensor, moves_BN: Tensor) -> Tensor:
        return prior * (units_BP - guess_BP).square().sum(1) + (weight_N * moves_BN.square()).sum(1)

    slope: _Slope | None = None
    for step in range(STEPS):
        if step in SEARCHES:
            off, moves = levels.search(units, curve_B, levels.moved(off, moves)), torch.zeros_like(off)
            slope = None
        if slope is None:
            slope = levels.slope(units, curve_B, off, moves)
        way, ways = _solve(
            slope, prior * (units - guess_BP), weight_N * moves, prior * eye, weight_N, damping_B
        )
        way = torch.zeros_like(way) if held else way
        there, let_go = (units + way).clamp(-1.0, 11.0), moves + ways
        tried = levels.slope(there, curve_B, off, let_go)
        better_B = tried.loss_B + penalty(there, let_go) < slope.loss_B + penalty(units, moves)
        damping_B = torch.where(better_B, damping_B / 4.0, damping_B * 8.0).clamp(1e-5, 1e3)
        units = torch.where(better_B[:, None], there, units)
        moves = torch.where(better_B[:, None], let_go, moves)
        slope = _Slope(
            *(
                torch.where(better_B.reshape(-1, *[1] * (new.dim() - 1)), new, old)
                for new, old in zip(tried, slope, strict=True)
            )
        )
    assert slope is not None
    return Fitted(_with_curve(units, curve_B), levels.moved(off, moves), _errors(slope, levels.points_B))


def _solve(
    slope: _Slope, pull_BP: Tensor, pull_BN: Tensor, stiff: Tensor, stiff_N: Tensor, damping_B: Tensor
) -> tuple[Tensor, Tensor]:
    """The damped Gauss-Newton step of envelopes and note-offs, by the arrow's Schur complement."""
    diagonal = torch.diagonal(slope.corner_BPP, dim1=1, dim2=2)
    damped = slope.corner_BPP + stiff + torch.diag_embed(damping_B[:, None] * (diagonal + 1e-3))
    shaft = slope.shaft_BN * (1.0 + damping_B[:, None]) + stiff_N + 1e-7
    leaning = slope.edge_BNP / shaft[..., None]
    gradient, gradient_N = slope.units_BP + pull_BP, slope.moves_BN + pull_BN
    matrix = damped - torch.einsum("bnp,bnq->bpq", leaning, slope.edge_BNP)
    right = gradient - torch.einsum("bnp,bn->bp", leaning, gradient_N)
    way = -torch.linalg.solve(matrix + 1e-7 * torch.eye(5, device=matrix.device), right)
    way = way.clamp(-FARTHEST, FARTHEST)
    ways = -(gradient_N + torch.einsum("bnp,bp->bn", slope.edge_BNP, way)) / shaft
    return way, ways.clamp(-1.5, 1.5)


def _errors(slope: _Slope, points_B: Tensor) -> Tensor:
    """Standard errors of an envelope's numbers, note-offs being free: [B, 5]."""
    leaning = slope.edge_BNP / (slope.shaft_BN + 1e-7)[..., None]
    matrix = slope.corner_BPP - torch.einsum("bnp,bnq->bpq", leaning, slope.edge_BNP)
    inverse = torch.linalg.inv(matrix + 1e-6 * torch.eye(5, device=matrix.device))
    return (torch.diagonal(inverse, dim1=1, dim2=2).clamp(min=0.0) / points_B[:, None]).sqrt()
