"""Explains the levels of segments by envelopes and note-offs, and chooses between explanations by a prior.

Short notes with a high sustain level and held notes without one can have equal levels, so misfit alone does
not decide. The stated prior is: a note is held until the next onset unless its sound says otherwise. The fit
starts from several explanations in one batch. The one of the lowest cost wins, where every early note-off has
the price `envelope_fit.EARLY_PRICE`.

Shape suffixes: B segments, S starts of each, R = S * B rows, N notes, L level steps of 64 samples, P = 6
envelope numbers in the head's units.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from train.nn.gain import EnvelopeBatch, NoteBatch, note_at, span_batch
from train.systems.triptych.inference.envelope_fit import EARLY_PRICE, EnvelopeFit, fit_envelopes
from train.systems.triptych.inference.segments import SegmentLevel
from train.systems.triptych.networks.envelope_head import to_units
from train.systems.triptych.networks.features import LEVEL_HOP
from train.systems.triptych.networks.model import TriptychModel

Gates = Literal["prior", "heard", "legato"]
"""How note-offs are chosen: by the prior, by the lowest misfit alone, or all at the next onset."""

PRICES: dict[Gates, float] = {"prior": EARLY_PRICE, "heard": 0.0, "legato": math.inf}
"""The price of an early note-off."""

FALL_STEP_MS, FALL_STEPS = 10.0, 100
"""Grid of the average fall: one second."""


class Explanation(NamedTuple):
    """The chosen fit of B segments, and the best one of another start.

    Attributes:
        fit: the fit of the lowest cost.
        runner_up: the fit of the next start by cost.
    """

    fit: EnvelopeFit
    runner_up: EnvelopeFit


def explain(model: TriptychModel, segments: Sequence[SegmentLevel], gates: Gates = "prior") -> Explanation:
    """Fits envelopes and note-offs to segments from several starts at once, and chooses by cost.

    Example::

        explain(model, [SegmentLevel(level_L, rows)]).fit.units_BP
    """
    level_BL, notes = pad_segments(segments)
    held = notes._replace(off_BN=notes.end_BN)
    starts = [held] if gates == "legato" else [notes, held]
    units = [model.envelope_head(level_BL, start).clip_BP for start in starts]
    starts.append(held)
    units.append(average_fall(level_BL, notes, model.format.rate, units[-1]))
    rows = NoteBatch(*(torch.cat(parts) for parts in zip(*starts, strict=True)))
    fit = fit_envelopes(
        level_BL.repeat(len(starts), 1), rows, torch.cat(units), model.format.rate, model.format.cut_fade_ms,
        early_price=PRICES[gates],
    )  # fmt: skip
    cost_SB = fit.cost_B.reshape(len(starts), -1)
    order_SB = cost_SB.argsort(0)
    return Explanation(*(_rows(fit, order_SB[place], len(segments)) for place in (0, 1)))


def fit_note_offs(
    model: TriptychModel, segment: SegmentLevel, units_1P: Tensor, gates: Gates = "prior"
) -> Tensor:
    """Fits the note-offs of a segment under a known envelope: samples, float32 [1, N]."""
    level_BL, notes = pad_segments([segment])
    return fit_envelopes(
        level_BL, notes, units_1P, model.format.rate, model.format.cut_fade_ms, True, PRICES[gates]
    ).off_BN


def _rows(fit: EnvelopeFit, start_B: Tensor, count: int) -> EnvelopeFit:
    """Returns the rows of a fit that belong to the given start of each segment."""
    row_B = start_B * count + torch.arange(count, device=start_B.device)
    return EnvelopeFit(*(part[row_B] for part in fit))


def pad_segments(segments: Sequence[SegmentLevel]) -> tuple[Tensor, NoteBatch]:
    """Pads segments of different lengths to one batch: levels, float32 [B, L], and notes."""
    longest = max(len(segment.level_L) for segment in segments)
    level_BL = torch.stack(
        [F.pad(segment.level_L, (0, longest - len(segment.level_L))) for segment in segments]
    )
    notes = span_batch([segment.rows for segment in segments], longest * LEVEL_HOP).to(level_BL.device)
    return level_BL, notes


def average_fall(level_BL: Tensor, notes: NoteBatch, rate: int, units_BP: Tensor) -> Tensor:
    """Reads an envelope from the average level of notes after their peak, taken as held: [B, P].

    The sustain level is the lowest average, and the decay is that of a straight line with the same area.
    Attack, hold, release and curve are those of `units_BP`.
    """
    amplitude_BL = F.avg_pool1d(level_BL[:, None], 9, 1, 4, count_include_pad=False)[:, 0].sqrt()
    at_BL = (torch.arange(level_BL.shape[1], device=level_BL.device) * float(LEVEL_HOP)).expand_as(level_BL)
    index_BL, inside_BL = note_at(notes, at_BL)
    inside_BL = inside_BL & (at_BL < notes.end_BN.gather(1, index_BL) - 0.01 * rate)
    shape = notes.onset_BN.shape
    peak_BN = torch.zeros(shape, device=level_BL.device).scatter_reduce(
        1, index_BL, amplitude_BL * inside_BL, "amax"
    )
    relative_BL = amplitude_BL / peak_BN.gather(1, index_BL).clamp(min=1e-6)
    step_BL = ((at_BL - notes.onset_BN.gather(1, index_BL)) / rate * (1000.0 / FALL_STEP_MS)).long()
    inside_BL = inside_BL & (step_BL < FALL_STEPS)
    step_BL = step_BL.clamp(0, FALL_STEPS - 1)
    sums, counts = (
        torch.zeros(len(level_BL), FALL_STEPS, device=level_BL.device).scatter_add(1, step_BL, values)
        for values in (relative_BL * inside_BL, inside_BL.float())
    )
    mean = sums / counts.clamp(min=1.0)
    known = counts > 0.5
    start = (mean * known).argmax(1, keepdim=True)
    after = known & (torch.arange(FALL_STEPS, device=mean.device) >= start)
    lowest = torch.where(after, mean, torch.full_like(mean, 2.0)).amin(1, keepdim=True)
    highest = mean.gather(1, start)
    fall = ((mean - lowest) / (highest - lowest).clamp(min=1e-3)).clamp(0.0, 1.0)
    sustain = (lowest / highest.clamp(min=1e-6))[:, 0].clamp(0.0, 1.0)
    area_ms = (fall * after).sum(1) * FALL_STEP_MS
    decay = (2.0 * area_ms).clamp(5.0, 5000.0)
    zero = torch.zeros_like(decay)
    read = to_units(EnvelopeBatch(zero, zero, decay, sustain, zero, zero))
    keep = torch.tensor([1.0, 1.0, 0.0, 0.0, 1.0, 1.0], device=read.device)
    return keep * units_BP + (1.0 - keep) * read
