"""Fits envelopes and note-offs to the measured level of clips, by damped Gauss-Newton steps.

The envelope head's estimate is within some 15% of the true numbers. The gain is known in closed form, so the
distance between the modelled and the measured level can be minimised. A dozen steps bring the error to 1 or
2%, for envelopes unlike any in training as well. Note-offs are fitted along, since they decide where a
release begins. What a recording does not show stays at the estimate: a release that is always cut off, or the
note-off of a note that has decayed to silence.

The distance is the absolute one, so that what no envelope explains (beating, a click) has little influence.
It is minimised by least squares, reweighted at every step, with Levenberg-Marquardt damping. The five numbers
of an envelope affect every note and a note-off affects only its own, so the Hessian is an arrowhead matrix.
Its Schur complement is one 5 x 5 system for each clip. `level_model` computes distance and derivatives.

Shape suffixes: B clips, N notes, L level steps of 64 samples, P = 5 numbers of an envelope (6 with the curve)
in the head's units (see `networks.envelope_head.to_units`).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from train.nn.gain import NoteBatch
from train.systems.triptych.hearing.level_model import LevelModel, NormalEquations, with_curve


class Schedule(NamedTuple):
    """The steps of a fit.

    Attributes:
        steps: Gauss-Newton steps.
        searches: steps before which note-offs are searched for over whole notes, since Gauss-Newton only
            finds near ones.
        every: 2 if every second level step counts.
    """

    steps: int
    searches: tuple[int, ...]
    every: int = 1


COARSE = Schedule(14, (0, 4, 8), every=2)
"""Finds the explanation near a start."""

FINE = Schedule(30, (0,))
"""Converges from a coarse fit: a release and the note-offs before it nearly make up for each other."""

MAX_STEP = 0.5
"""Largest change of a number in one step: a factor of 1.6 in a time, 0.12 in the sustain level."""

PRIOR_WEIGHT = 0.0005
"""Weight of the squared distance to the initial estimate."""

CONVERGED, PATIENCE = 2e-4, 3
"""A fit has converged if no clip's loss fell by this share in so many steps."""

EARLY_PRICE = 0.02
"""Distance by which an early note-off must explain a note better than holding it until its end.

A note that has died away does not tell when it was let go: both explanations then differ by about 0.002. A
rest that can be heard makes a difference of about 0.18. The price lies between, at their geometric mean.
"""


class EnvelopeFit(NamedTuple):
    """The result of a fit.

    Attributes:
        units_BP: envelopes in the head's units with the curve, float32 [B, 6].
        off_BN: note-offs in samples, float32 [B, N].
        error_BP: standard errors of the five numbers, in the head's units, float32 [B, 5].
        deviation_BN: mean absolute deviation of each note's level in dB, float32 [B, N].
        cost_B: sum of distances over all level steps, prices of early note-offs included, float32.
    """

    units_BP: Tensor
    off_BN: Tensor
    error_BP: Tensor
    deviation_BN: Tensor
    cost_B: Tensor


@torch.no_grad()
def fit_envelopes(
    level_BL: Tensor,
    notes: NoteBatch,
    units_BP: Tensor,
    rate: int,
    cut_fade_ms: float,
    early_price: float = EARLY_PRICE,
    prior_BP: Tensor | None = None,
    schedule: Schedule = COARSE,
) -> EnvelopeFit:
    """Fits envelopes and note-offs to the levels of clips, from an estimate of both.

    Args:
        level_BL: mean power every 64 samples, float32.
        notes: notes of the clips, times in samples; velocities are ignored.
        units_BP: initial envelopes in the head's units, float32 [B, 6]; the curve's shape is kept,
            rounded to the nearest of the three.
        rate: sample rate in Hz.
        cut_fade_ms: fade at the end of a cut note, in ms.
        early_price: price of a note-off before the note's end; see `EARLY_PRICE`.
        prior_BP: envelopes that the prior prefers, in the head's units; by default the initial ones.
        schedule: the steps of the fit.

    Example::

        fit = fit_envelopes(features.level_BL, notes, head(features.level_BL, notes).clip_BP, 44_100, 3.0)
        envelopes = from_units(fit.units_BP)
    """
    levels = LevelModel(level_BL, notes, rate, cut_fade_ms, schedule.every)
    prior_BP = (units_BP if prior_BP is None else prior_BP)[:, :5]
    units, curve_B = units_BP[:, :5], (2.0 * units_BP[:, 5].clamp(0.0, 1.0)).round() / 2.0
    off = notes.off_BN
    shift = torch.zeros_like(off)
    damping_B = torch.full((len(units),), 1e-2, device=off.device)
    prior, eye = PRIOR_WEIGHT / 5.0, torch.eye(5, device=off.device)
    off_prior_B1 = PRIOR_WEIGHT / notes.mask_BN.sum(1, keepdim=True).clamp(min=1)

    def penalty(units_BP: Tensor, shift_BN: Tensor) -> Tensor:
        return prior * (units_BP - prior_BP).square().sum(1) + (off_prior_B1 * shift_BN.square()).sum(1)

    equations: NormalEquations | None = None
    still = 0
    for step in range(schedule.steps):
        if step in schedule.searches:
            off = levels.search_offs(units, curve_B, levels.shift_offs(off, shift), early_price)
            shift = torch.zeros_like(off)
            equations = None
        if equations is None:
            equations = levels.linearise(units, curve_B, off, shift)
        units_step, off_step = _solve(
            equations,
            prior * (units - prior_BP),
            off_prior_B1 * shift,
            prior * eye,
            off_prior_B1,
            damping_B,
        )
        new_units, new_shift = (units + units_step).clamp(-1.0, 11.0), shift + off_step
        new_equations = levels.linearise(new_units, curve_B, off, new_shift)
        better_B = new_equations.loss_B + penalty(new_units, new_shift) < equations.loss_B + penalty(
            units, shift
        )
        gain_B = torch.where(better_B, 1.0 - new_equations.loss_B / equations.loss_B.clamp(min=1e-6), 0.0)
        still = still + 1 if float(gain_B.amax()) < CONVERGED else 0
        if still == PATIENCE and step >= max(schedule.searches):
            break
        damping_B = torch.where(better_B, damping_B / 4.0, damping_B * 8.0).clamp(1e-5, 1e3)
        units = torch.where(better_B[:, None], new_units, units)
        shift = torch.where(better_B[:, None], new_shift, shift)
        equations = NormalEquations(
            *(
                torch.where(better_B.reshape(-1, *[1] * (new.dim() - 1)), new, old)
                for new, old in zip(new_equations, equations, strict=True)
            )
        )
    assert equations is not None
    off = levels.settle_offs(units, curve_B, levels.shift_offs(off, shift), early_price)
    return _result(levels, units, curve_B, off, early_price, _standard_errors(equations, levels.points_B))


@torch.no_grad()
def fit_note_offs(
    level_BL: Tensor, notes: NoteBatch, units_BP: Tensor, rate: int, cut_fade_ms: float, early_price: float
) -> EnvelopeFit:
    """Fits the note-offs of clips under known envelopes, by a search of each.

    The arguments are those of `fit_envelopes`; the standard errors are 0.
    """
    levels = LevelModel(level_BL, notes, rate, cut_fade_ms, COARSE.every)
    units, curve_B = units_BP[:, :5], units_BP[:, 5]
    off = levels.search_offs(units, curve_B, notes.off_BN, early_price)
    off = levels.refine_offs(units, curve_B, off, early_price)
    off = levels.settle_offs(units, curve_B, off, early_price)
    return _result(levels, units, curve_B, off, early_price, torch.zeros_like(units))


def _result(
    levels: LevelModel, units: Tensor, curve_B: Tensor, off: Tensor, early_price: float, error_BP: Tensor
) -> EnvelopeFit:
    distance_BN = levels.note_distances(units[None], curve_B, off[None])[0]
    cost_B = levels.sum_over_time((distance_BN + levels.early_price(off, early_price))[None])[0]
    deviation_BN = levels.note_deviations_db(units, curve_B, off)
    return EnvelopeFit(with_curve(units, curve_B), off, error_BP, deviation_BN, cost_B)


def _solve(
    equations: NormalEquations,
    units_prior_BP: Tensor,
    off_prior_BN: Tensor,
    units_stiffness_PP: Tensor,
    off_stiffness_B1: Tensor,
    damping_B: Tensor,
) -> tuple[Tensor, Tensor]:
    """Solves for the damped Gauss-Newton step of envelopes [B, 5] and note-offs [B, N].

    The note-offs are eliminated by the Schur complement. Gradients and Hessian of the prior are added to
    those of the distance.
    """
    diagonal = torch.diagonal(equations.units_hessian_BPP, dim1=1, dim2=2)
    damped = (
        equations.units_hessian_BPP
        + units_stiffness_PP
        + torch.diag_embed(damping_B[:, None] * (diagonal + 1e-3))
    )
    off_hessian = equations.off_hessian_BN * (1.0 + damping_B[:, None]) + off_stiffness_B1 + 1e-7
    gain = equations.cross_hessian_BNP / off_hessian[..., None]
    units_gradient = equations.units_gradient_BP + units_prior_BP
    off_gradient = equations.off_gradient_BN + off_prior_BN
    schur = damped - torch.einsum("bnp,bnq->bpq", gain, equations.cross_hessian_BNP)
    right = units_gradient - torch.einsum("bnp,bn->bp", gain, off_gradient)
    units_step = -torch.linalg.solve(schur + 1e-7 * torch.eye(5, device=schur.device), right)
    units_step = units_step.clamp(-MAX_STEP, MAX_STEP)
    coupled = torch.einsum("bnp,bp->bn", equations.cross_hessian_BNP, units_step)
    off_step = -(off_gradient + coupled) / off_hessian
    return units_step, off_step.clamp(-1.5, 1.5)


def _standard_errors(equations: NormalEquations, points_B: Tensor) -> Tensor:
    """Computes the standard errors of an envelope's numbers with free note-offs, [B, 5]."""
    gain = equations.cross_hessian_BNP / (equations.off_hessian_BN + 1e-7)[..., None]
    schur = equations.units_hessian_BPP - torch.einsum("bnp,bnq->bpq", gain, equations.cross_hessian_BNP)
    inverse = torch.linalg.inv(schur + 1e-6 * torch.eye(5, device=schur.device))
    return (torch.diagonal(inverse, dim1=1, dim2=2).clamp(min=0.0) / points_B[:, None]).sqrt()
