"""Models the level of clips by envelopes and note-offs, with the derivatives that a fit needs.

Shape suffixes: B clips, N notes, L level steps of 64 samples, V variants evaluated at once, P = 5 numbers of
an envelope in the head's units (see `networks.envelope_head.to_units`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from train.nn.gain import (
    NoteBatch,
    cut_fade_gain,
    fall_curvature,
    held_curve,
    note_at,
    segment_progress,
)
from train.systems.triptych.networks.envelope_head import from_units
from train.systems.triptych.networks.features import LEVEL_HOP

DIFFERENCE = 0.02
"""Finite difference with which derivatives are computed, in the head's units."""

LOG_WEIGHT = 0.15
"""Weight of the distance of logarithmic levels beside that of linear ones."""

LOG_FLOOR = 3e-3
"""Level that is added before the logarithm, relative to the clip's highest."""

DB_PER_NEPER = 8.686
"""Decibels of a natural logarithm of 1."""

MOST_VALUES = 1_000_000
"""Most levels that are predicted at once, so that memory does not grow with the clips' length."""

SMOOTHING, COARSE_SMOOTHING = 9, 5
"""Level steps over which levels are smoothed, 13 ms, where all count and where every second one does."""

OFF_UNIT_MS = 40.0
"""Unit of a note-off's shift in ms, chosen so that it converges as fast as the logarithms of times."""

SEARCH_POINTS = 24
"""Positions of the note-off that a search tries in each note, evenly over its span."""

REFINEMENTS = 3
"""Rounds in which a note-off is refined, each four times finer than the one before."""

SEARCH_TOLERANCE = 1.1
"""A note-off counts as good as the best one if its distance is at most this many times the best."""


HELD_TOLERANCE_MS = 4.0
"""A note that is let go at most this long before its end, in ms, counts as held."""


class NormalEquations(NamedTuple):
    """The quadratic model of the distance at a point: its value, gradients, and blocks of the Hessian.

    The Hessian is an arrowhead: a block for the envelope's numbers, a diagonal for the note-offs, and the
    block that couples both.
    """

    loss_B: Tensor
    units_gradient_BP: Tensor
    off_gradient_BN: Tensor
    units_hessian_BPP: Tensor
    cross_hessian_BNP: Tensor
    off_hessian_BN: Tensor


class LevelModel:
    """Compares the measured levels of clips with those that envelopes and note-offs predict.

    Velocities are not used: each note is scaled by the loudness that fits it best. With `every` 2, each
    second level step counts, which is enough to choose between explanations.
    """

    def __init__(
        self, level_BL: Tensor, notes: NoteBatch, rate: int, cut_fade_ms: float, every: int = 1
    ) -> None:
        self.rate, self.notes, self.every = rate, notes, every
        measured_BL = smoothed(level_BL, SMOOTHING)[:, ::every]
        steps_L = torch.arange(measured_BL.shape[1], device=level_BL.device)
        at_BL = (steps_L * float(every * LEVEL_HOP)).expand_as(measured_BL)
        index_BL, inside_BL = note_at(notes, at_BL)
        self.index_BL = index_BL
        end_BL = notes.end_BN.gather(1, index_BL)
        self.inside_BL = (inside_BL & (at_BL < end_BL)).float()
        self.time_BL = (at_BL - notes.onset_BN.gather(1, index_BL)) * (1000.0 / rate)
        self.cut_BL = cut_fade_gain(at_BL, end_BL, rate, cut_fade_ms) * self.inside_BL
        self.measured_BL = measured_BL / measured_BL.amax(1, keepdim=True).clamp(min=1e-6)
        self.measured_log_BL = (self.measured_BL + LOG_FLOOR).log()
        notes_N = torch.arange(notes.onset_BN.shape[1], device=level_BL.device)
        self.of_note_BLN = (index_BL[..., None] == notes_N).float()
        self.points_BN = self.sum_by_note(self.inside_BL).clamp(min=1.0)
        self.points_B = self.inside_BL.sum(1).clamp(min=1.0)
        # What sounds before the first note is predicted as silence.
        before_BL = ~inside_BL
        lead_log_BL = self.measured_log_BL - math.log(LOG_FLOOR)
        self.lead_B = ((self.measured_BL + LOG_WEIGHT * lead_log_BL) * before_BL).sum(1)

    def sum_by_note(self, values: Tensor) -> Tensor:
        """Sums values over the level steps of each note: [..., B, L] -> [..., B, N]."""
        # A product with the notes' masks is several times as fast as a scatter on a CPU.
        return torch.einsum("...bl,bln->...bn", values, self.of_note_BLN)

    def residuals(self, units_VBP: Tensor, curve_B: Tensor, off_VBN: Tensor) -> tuple[Tensor, Tensor]:
        """Computes predicted minus measured level, linear and logarithmic: [V, B, L] each."""
        envelope = from_units(with_curve(units_VBP, curve_B)).unsqueeze()
        index = self.index_BL.expand(*off_VBN.shape[:-1], -1)
        gate_VBN = (off_VBN - self.notes.onset_BN) * (1000.0 / self.rate)
        gate = gate_VBN.gather(-1, index)
        reached = held_curve(envelope, gate_VBN).gather(-1, index)
        curvature = fall_curvature(envelope.curve)
        released = reached * (1.0 - segment_progress(self.time_BL, gate, envelope.release, curvature))
        gain = torch.where(self.time_BL < gate, held_curve(envelope, self.time_BL), released) * self.cut_BL
        power = F.pad(gain.square(), (1, 1))
        # The same smoothing that the measured level went through.
        power = 0.25 * (power[..., :-2] + power[..., 2:]) + 0.5 * power[..., 1:-1]
        shape = smoothed(power, SMOOTHING if self.every == 1 else COARSE_SMOOTHING)
        loudness = self.sum_by_note(shape * self.measured_BL) / self.sum_by_note(shape.square()).clamp(
            min=1e-6
        )
        predicted = shape * loudness.clamp(min=1e-5).gather(-1, index)
        return (
            (predicted - self.measured_BL) * self.inside_BL,
            ((predicted + LOG_FLOOR).log() - self.measured_log_BL) * self.inside_BL,
        )

    def note_distances(self, units_VBP: Tensor, curve_B: Tensor, off_VBN: Tensor) -> Tensor:
        """Computes the mean distance over the level steps of each note: [V, B, N]."""
        at_once = max(MOST_VALUES // self.inside_BL.numel(), 1)
        parts = []
        for units, off in zip(torch.split(units_VBP, at_once), torch.split(off_VBN, at_once), strict=True):
            linear, log = self.residuals(units, curve_B, off)
            parts.append(self.sum_by_note(linear.abs() + LOG_WEIGHT * log.abs()) / self.points_BN)
        return torch.cat(parts)

    def note_deviations_db(self, units_BP: Tensor, curve_B: Tensor, off_BN: Tensor) -> Tensor:
        """Computes the mean absolute deviation of each note's level in dB, floored at -50 dB: [B, N]."""
        _, log = self.residuals(units_BP[None], curve_B, off_BN[None])
        return DB_PER_NEPER * self.sum_by_note(log[0].abs()) / self.points_BN

    def early_price(self, off_VBN: Tensor, price: float) -> Tensor:
        """Returns the price of the notes that are let go before their end, 0 for the others: [V, B, N]."""
        early = self.notes.end_BN - off_VBN > HELD_TOLERANCE_MS * self.rate / 1000.0
        return torch.where(early & self.notes.mask_BN, price, 0.0)

    def sum_over_time(self, distance_VBN: Tensor) -> Tensor:
        """Sums the distances of notes over their level steps, and adds what sounds before them: [V, B]."""
        total_VB = (distance_VBN * self.points_BN * self.notes.mask_BN).sum(-1) + self.lead_B
        return total_VB * float(self.every)

    def search_offs(self, units_BP: Tensor, curve_B: Tensor, off_BN: Tensor, price: float) -> Tensor:
        """Returns the latest of the note-offs that explain each note about as well as the best one.

        Candidates are the present note-off and `SEARCH_POINTS` all over the note. The latest is taken for
        two reasons. A note that has decayed to silence looks the same whenever it is released. And a decay
        can be mistaken for an early release. `price` is added to the distance of note-offs before the end.
        """
        onset, end = self.notes.onset_BN, self.notes.end_BN
        share_V = torch.arange(2, SEARCH_POINTS + 1, device=off_BN.device)[:, None, None] / SEARCH_POINTS
        candidates = torch.cat([off_BN[None], onset + (end - onset) * share_V])
        distance = self.note_distances(units_BP.expand(len(candidates), -1, -1), curve_B, candidates)
        cost = distance + self.early_price(candidates, price)
        good = cost <= cost.amin(0) * SEARCH_TOLERANCE + 1e-3
        return torch.where(good, candidates, torch.zeros_like(candidates)).amax(0)

    def refine_offs(self, units_BP: Tensor, curve_B: Tensor, off_BN: Tensor, price: float) -> Tensor:
        """Returns the best note-offs near those of `search_offs`, to a thousandth of a note: [B, N]."""
        onset, end = self.notes.onset_BN, self.notes.end_BN
        width_BN = (end - onset) / SEARCH_POINTS
        for _ in range(REFINEMENTS):
            share_V = torch.linspace(-1.0, 1.0, 9, device=off_BN.device)[:, None, None]
            candidates = torch.minimum(torch.maximum(off_BN + width_BN * share_V, onset + 1.0), end)
            distance = self.note_distances(units_BP.expand(len(candidates), -1, -1), curve_B, candidates)
            best = (distance + self.early_price(candidates, price)).argmin(0, keepdim=True)
            off_BN, width_BN = candidates.gather(0, best)[0], width_BN / 4.0
        return off_BN

    def settle_offs(self, units_BP: Tensor, curve_B: Tensor, off_BN: Tensor, price: float) -> Tensor:
        """Holds the notes whose early note-off explains their level less than `price` better: [B, N]."""
        candidates = torch.stack([off_BN, self.notes.end_BN])
        distance = self.note_distances(units_BP.expand(2, -1, -1), curve_B, candidates)
        early, held = distance + self.early_price(candidates, price)
        return torch.where(held <= early, candidates[1], candidates[0])

    def shift_offs(self, off_BN: Tensor, shift: Tensor) -> Tensor:
        """Shifts note-offs by units of `OFF_UNIT_MS`, within their notes."""
        off = off_BN + shift * (OFF_UNIT_MS * self.rate / 1000.0)
        return torch.minimum(torch.maximum(off, self.notes.onset_BN + 0.01 * self.rate), self.notes.end_BN)

    def linearise(
        self, units_BP: Tensor, curve_B: Tensor, off_BN: Tensor, shift_BN: Tensor
    ) -> NormalEquations:
        """Computes the distance and its derivatives, from one evaluation of a point and six beside it."""
        count = units_BP.shape[-1]
        units_steps = torch.zeros(count + 2, 1, count, device=off_BN.device)
        units_steps[torch.arange(count) + 1, 0, torch.arange(count)] = DIFFERENCE
        off_steps = torch.zeros(count + 2, 1, 1, device=off_BN.device)
        off_steps[-1] = -DIFFERENCE  # earlier: there is always room for that
        offs = self.shift_offs(off_BN, shift_BN + off_steps)
        parts = []
        for residuals, weight, soft in zip(
            self.residuals(units_BP + units_steps, curve_B, offs),
            (1.0, LOG_WEIGHT),
            (0.01, 0.05),
            strict=True,
        ):
            scale = weight / (residuals[0].abs().clamp(min=soft) * self.points_B[:, None])
            derivatives = torch.cat(
                [(residuals[1:-1] - residuals[0]) / DIFFERENCE, (residuals[-1:] - residuals[0]) / -DIFFERENCE]
            )
            parts.append((residuals[0], derivatives, scale))
        linear, log = (residual.abs().sum(1) / self.points_B for residual, _, _ in parts)
        units_gradient = torch.zeros_like(units_BP)
        units_hessian = torch.zeros(*units_BP.shape, count, device=off_BN.device)
        off_gradient, off_hessian = torch.zeros_like(off_BN), torch.zeros_like(off_BN)
        cross_hessian = torch.zeros(*off_BN.shape, count, device=off_BN.device)
        for residual, derivatives, scale in parts:
            by_off, by_units = derivatives[-1], derivatives[:-1]
            units_gradient += torch.einsum("pbl,bl->bp", by_units, scale * residual)
            units_hessian += torch.einsum("pbl,qbl,bl->bpq", by_units, by_units, scale)
            off_gradient += self.sum_by_note(by_off * scale * residual)
            cross_hessian += self.sum_by_note(by_off * scale * by_units).permute(1, 2, 0)
            off_hessian += self.sum_by_note(by_off.square() * scale)
        return NormalEquations(
            linear + LOG_WEIGHT * log, units_gradient, off_gradient, units_hessian, cross_hessian, off_hessian
        )


def smoothed(power: Tensor, steps: int) -> Tensor:
    """Returns the root of the mean power over `steps` level steps, 3, 5 or 9: [..., L]."""
    padded = F.pad(power, (steps // 2, steps // 2))
    total = padded[..., :-2] + padded[..., 1:-1] + padded[..., 2:]
    if steps == 5:
        total = total[..., 1:-1] + padded[..., :-4] + padded[..., 4:]
    elif steps == 9:
        total = total[..., :-6] + total[..., 3:-3] + total[..., 6:]
    return (total / steps).clamp(min=1e-12).sqrt()


def with_curve(units: Tensor, curve_B: Tensor) -> Tensor:
    """Appends the curve's shape to the five other numbers: [..., B, 5] -> [..., B, 6]."""
    return torch.cat([units, curve_B[:, None].expand(*units.shape[:-1], 1)], dim=-1)
