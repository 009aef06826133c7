"""Explains the levels of segments by notes and an envelope, and chooses between explanations by a prior.

Short notes with a high sustain level and held notes without one can have equal levels, so misfit alone does
not decide. The stated prior is: a note is held until the next onset unless its sound says otherwise, and
there are no more notes than the sound asks for. Several note lists, each from several starts, are fitted in
one batch. The explanation of the lowest cost wins: misfit, plus the price of each early note-off and of each
note, plus the improbability of the pitches.

Shape suffixes: B segments, R rows (one for each start of a note list), N notes, L level steps of 64 samples,
P = 6 envelope numbers in the head's units.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from manifests.synthesis.compose import Span
from manifests.types import Note
from train.nn.gain import CURVE_NUMBERS, NoteBatch, nearest_curve, span_batch
from train.systems.base import Gates
from train.systems.triptych.hearing.average_fall import average_fall
from train.systems.triptych.hearing.envelope_fit import (
    EARLY_PRICE,
    FINE,
    EnvelopeFit,
    fit_envelopes,
    fit_note_offs,
)
from train.systems.triptych.networks.features import LEVEL_HOP
from train.systems.triptych.networks.model import TriptychModel

PRICES: dict[Gates, float] = {"prior": EARLY_PRICE, "heard": 0.0, "legato": math.inf}
"""The price of an early note-off."""

MOST_STEPS = 60_000
"""Most level steps that are explained at once, so that memory does not grow with a segment's notes."""

NOTE_PRICE_S = 0.005
"""Price of a note, as a distance of 1 over so many seconds: `EARLY_PRICE` over a quarter of a second."""

PITCH_WEIGHT = 0.01
"""Weight of the mean log probability of a note's pitch beside the distance of its level."""


CLOSE_DB = 0.3
"""Deviation of the level in dB below which no other shape is tried."""

OTHER_SHAPE = 0.85
"""Share of the cost of the head's shape that another one may have at most."""

EXPONENTIAL_AREA = 2.6
"""Ratio of the areas under a straight line and under an exponential segment of equal length."""


class NoteList(NamedTuple):
    """Notes that may explain a segment, in samples from its start, and log probabilities of their pitches."""

    rows: Sequence[tuple[Note, Span]]
    log_probability: Sequence[float]


class SegmentLists(NamedTuple):
    """The level of a segment, float32 [L], and note lists that may explain it."""

    level_L: Tensor
    lists: Sequence[NoteList]


class Explanation(NamedTuple):
    """An explanation of a segment.

    Attributes:
        of_list: index of its note list.
        units_P: envelope in the head's units.
        prior_P: the envelope that its prior prefers.
        off_N: note-offs in samples, float32, padded.
        error_P: standard errors of the envelope's first five numbers.
        misfit_db: mean absolute deviation of the level from the predicted one, in dB.
        cost: sum of the distances of all level steps, with all prices.
    """

    of_list: int
    units_P: Tensor
    prior_P: Tensor
    off_N: Tensor
    error_P: Tensor
    misfit_db: float
    cost: float


class Start(NamedTuple):
    """A start of a fit: its segment and note list.

    `held` holds all notes, and `falling` reads the envelope from the average fall.
    """

    segment: int
    of_list: int
    held: bool
    falling: bool


@torch.no_grad()
def explain(
    model: TriptychModel, segments: Sequence[SegmentLists], gates: Gates = "prior"
) -> list[list[Explanation]]:
    """Fits every note list of every segment from several starts at once.

    The starts are the envelope head's estimates with the note-offs as decoded and with all notes held, and
    the average fall of all notes. Returns the explanations of each segment, the one of lowest cost first.

    Example::

        ((best, *others),) = explain(model, [SegmentLists(level_L, [NoteList(rows, log_probability)])])
        from_units(best.units_P)
    """
    device, rate = model.device, model.format.rate
    starts = [
        Start(place, of_list, held, falling)
        for place, segment in enumerate(segments)
        for of_list in range(len(segment.lists))
        for held, falling in ((False, False), (True, False), (True, True))
        if held or gates != "legato"
    ]
    lists = [segments[start.segment].lists[start.of_list] for start in starts]
    level_RL = pad_levels([segments[start.segment].level_L for start in starts])
    notes = span_batch([each.rows for each in lists], level_RL.shape[1] * LEVEL_HOP).to(device)
    held_R1, falling_R1 = (
        torch.tensor([[flag] for flag in flags], device=device)
        for flags in ([start.held for start in starts], [start.falling for start in starts])
    )
    notes = notes._replace(off_BN=torch.where(held_R1, notes.end_BN, notes.off_BN))
    units_RP = model.envelope_head(level_RL, notes).clip_BP
    units_RP = torch.where(falling_R1, average_fall(level_RL, notes, rate, units_RP), units_RP)
    fit = fit_envelopes(level_RL, notes, units_RP, rate, model.format.cut_fade_ms, early_price=PRICES[gates])
    rows = explanations_of(fit, notes, units_RP, lists, [start.of_list for start in starts], rate)
    return [
        sorted(
            (row for row, start in zip(rows, starts, strict=True) if start.segment == place),
            key=lambda row: row.cost,
        )
        for place in range(len(segments))
    ]


@torch.no_grad()
def refine(
    model: TriptychModel,
    segments: Sequence[SegmentLists],
    coarse: Sequence[Explanation],
    gates: Gates = "prior",
) -> list[Explanation]:
    """Fits the first note list of each segment until it has converged, from a coarse explanation.

    Where that leaves a deviation, other shapes of segments are tried. Another one must cost clearly less.
    """
    best = _refine(model, segments, coarse, gates)
    tries = [
        (place, curve)
        for place, each in enumerate(best)
        for curve in CURVE_NUMBERS.values()
        if each.misfit_db > CLOSE_DB and curve != shape_of(each.units_P)
    ]
    if tries:
        others = _refine(
            model,
            [segments[place] for place, _ in tries],
            [
                coarse[place]._replace(
                    units_P=reshaped(coarse[place].units_P, curve),
                    prior_P=reshaped(coarse[place].prior_P, curve),
                )
                for place, curve in tries
            ],
            gates,
        )
        own_cost = [each.cost for each in best]
        for (place, _), other in zip(tries, others, strict=True):
            if other.cost < min(OTHER_SHAPE * own_cost[place], best[place].cost):
                best[place] = other
    return best


def _refine(
    model: TriptychModel, segments: Sequence[SegmentLists], coarse: Sequence[Explanation], gates: Gates
) -> list[Explanation]:
    """Fits the first note list of each segment, with the shape of its coarse explanation."""
    rate = model.format.rate
    lists = [segment.lists[0] for segment in segments]
    level_BL = pad_levels([segment.level_L for segment in segments])
    notes = span_batch([each.rows for each in lists], level_BL.shape[1] * LEVEL_HOP).to(model.device)
    units_BP, prior_BP = (
        torch.stack([getattr(each, name) for each in coarse]) for name in ("units_P", "prior_P")
    )
    fit = fit_envelopes(
        level_BL, notes, units_BP, rate, model.format.cut_fade_ms, PRICES[gates], prior_BP, FINE
    )
    return explanations_of(fit, notes, prior_BP, lists, [0] * len(lists), rate)


def shape_of(units_P: Tensor) -> float:
    """Returns the number of the shape that is nearest to an envelope's curve, see `CURVE_NUMBERS`."""
    return CURVE_NUMBERS[nearest_curve(float(units_P[5]))]


def reshaped(units_P: Tensor, curve: float) -> Tensor:
    """Changes the shape of an envelope's segments, and keeps the areas under them.

    An exponential segment has the area of a straight one that is `EXPONENTIAL_AREA` times shorter.
    """
    before = shape_of(units_P)
    attack, fall = (
        math.log(EXPONENTIAL_AREA) * ((curve >= least) - (before >= least)) for least in (1.0, 0.5)
    )
    shift_P = units_P.new_tensor([attack, 0.0, fall, 0.0, fall, 0.0])
    return torch.cat([(units_P + shift_P)[:5], units_P.new_tensor([curve])])


@torch.no_grad()
def explain_under(
    model: TriptychModel, segment: SegmentLists, units_P: Tensor, gates: Gates = "prior"
) -> list[Explanation]:
    """Explains a segment by each of its note lists under a known envelope, in the order of the lists."""
    rate, length = model.format.rate, len(segment.level_L)
    explanations: list[Explanation] = []
    at_once = max(MOST_STEPS // length, 1)
    for first in range(0, len(segment.lists), at_once):
        lists = segment.lists[first : first + at_once]
        notes = span_batch([notes.rows for notes in lists], length * LEVEL_HOP).to(model.device)
        level_RL, units_RP = segment.level_L.expand(len(lists), -1), units_P.expand(len(lists), -1)
        fit = fit_note_offs(level_RL, notes, units_RP, rate, model.format.cut_fade_ms, PRICES[gates])
        indices = range(first, first + len(lists))
        explanations += explanations_of(fit, notes, units_RP, lists, indices, rate)
    return explanations


def explanations_of(
    fit: EnvelopeFit,
    notes: NoteBatch,
    prior_RP: Tensor,
    lists: Sequence[NoteList],
    indices: Sequence[int],
    rate: int,
) -> list[Explanation]:
    """Makes an explanation of each row of a fit."""
    length_BN = (notes.end_BN - notes.onset_BN) * notes.mask_BN
    misfit_B = (fit.deviation_BN * length_BN).sum(1) / length_BN.sum(1).clamp(min=1.0)
    return [
        Explanation(
            index, fit.units_BP[row], prior_RP[row], fit.off_BN[row], fit.error_BP[row], float(misfit_B[row]),
            float(fit.cost_B[row]) + list_price(lists[row], rate),
        )
        for row, index in enumerate(indices)
    ]  # fmt: skip


def list_price(notes: NoteList, rate: int) -> float:
    """Computes what a note list costs beside its misfit, as a sum over level steps."""
    steps_s = rate / LEVEL_HOP
    improbability = sum(
        -log_probability * (span.end - span.onset) / LEVEL_HOP
        for (_, span), log_probability in zip(notes.rows, notes.log_probability, strict=True)
    )
    return NOTE_PRICE_S * steps_s * len(notes.rows) + PITCH_WEIGHT * improbability


def pad_levels(levels: Sequence[Tensor]) -> Tensor:
    """Pads levels of different lengths with silence to one batch: float32 [B, L]."""
    longest = max(len(level_L) for level_L in levels)
    return torch.stack([F.pad(level_L, (0, longest - len(level_L))) for level_L in levels])
