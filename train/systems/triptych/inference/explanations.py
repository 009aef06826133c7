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
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from manifests.synthesis.compose import Span
from manifests.types import Note
from train.nn.gain import NoteBatch, span_batch
from train.systems.triptych.inference.average_fall import average_fall
from train.systems.triptych.inference.envelope_fit import EARLY_PRICE, FINE, EnvelopeFit, fit_envelopes
from train.systems.triptych.networks.features import LEVEL_HOP
from train.systems.triptych.networks.model import TriptychModel

Gates = Literal["prior", "heard", "legato"]
"""How note-offs are chosen: by the prior, by the lowest misfit alone, or all at the next onset."""

PRICES: dict[Gates, float] = {"prior": EARLY_PRICE, "heard": 0.0, "legato": math.inf}
"""The price of an early note-off."""

NOTE_PRICE_S = 0.005
"""Price of a note, as a distance of 1 over so many seconds: `EARLY_PRICE` over a quarter of a second."""

PITCH_WEIGHT = 0.01
"""Weight of the mean log probability of a note's pitch beside the distance of its level."""


class NoteList(NamedTuple):
    """Notes that may explain a segment, in samples from its start, and the log probabilities of their pitches."""

    rows: Sequence[tuple[Note, Span]]
    log_probability: Sequence[float]


class SegmentLists(NamedTuple):
    """The level of a segment, float32 [L], and note lists that may explain it."""

    level_L: Tensor
    lists: Sequence[NoteList]


class Explanation(NamedTuple):
    """The chosen explanation of a segment.

    Attributes:
        index: index of its note list.
        units_1P: envelope in the head's units, float32 [1, P].
        off_N: note-offs in samples, float32.
        error_P: standard errors of the envelope's first five numbers.
        misfit: mean distance of the level from the predicted one, 0 to about 1.
        runner_up_1P: envelope of the next explanation by cost.
        runner_up_misfit: its misfit.
    """

    index: int
    units_1P: Tensor
    off_N: Tensor
    error_P: Tensor
    misfit: float
    runner_up_1P: Tensor
    runner_up_misfit: float


class Row(NamedTuple):
    """A start of a fit: the index of its segment and of its note list, and whether all notes are held."""

    segment: int
    index: int
    held: bool
    falling: bool


@torch.no_grad()
def explain(
    model: TriptychModel, segments: Sequence[SegmentLists], gates: Gates = "prior"
) -> list[Explanation]:
    """Fits every note list of every segment from several starts at once, and chooses by cost.

    The starts are the envelope head's estimates with the note-offs as decoded and with all notes held, and
    the average fall of all notes.

    Example::

        (explanation,) = explain(model, [SegmentLists(level_L, [NoteList(rows, log_probability)])])
        from_units(explanation.units_1P)
    """
    device = model.device
    rows = [
        Row(place, index, held, falling)
        for place, segment in enumerate(segments)
        for index in range(len(segment.lists))
        for held, falling in ((False, False), (True, False), (True, True))
        if held or gates != "legato"
    ]
    level_BL = pad_levels([segment.level_L for segment in segments])
    longest = level_BL.shape[1] * LEVEL_HOP
    notes = span_batch([segments[row.segment].lists[row.index].rows for row in rows], longest).to(device)
    held_R1 = torch.tensor([[row.held] for row in rows], device=device)
    notes = notes._replace(off_BN=torch.where(held_R1, notes.end_BN, notes.off_BN))
    level_RL = level_BL[[row.segment for row in rows]]
    units_RP = model.envelope_head(level_RL, notes).clip_BP
    fall_RP = average_fall(level_RL, notes, model.format.rate, units_RP)
    falling_R1 = torch.tensor([[row.falling] for row in rows], device=device)
    start_RP = torch.where(falling_R1, fall_RP, units_RP)
    rate, fade, price = model.format.rate, model.format.cut_fade_ms, PRICES[gates]
    fit = fit_envelopes(level_RL, notes, start_RP, rate, fade, early_price=price)
    cost = [
        float(value) + list_price(segments[row.segment].lists[row.index], rate)
        for row, value in zip(rows, fit.cost_B, strict=True)
    ]
    order = sorted(range(len(rows)), key=lambda row: (rows[row].segment, cost[row]))
    first = [next(row for row in order if rows[row].segment == place) for place in range(len(segments))]
    second = [
        next((row for row in order if rows[row].segment == place and row != best), best)
        for place, best in enumerate(first)
    ]
    best = NoteBatch(*(part[first] for part in notes))._replace(off_BN=fit.off_BN[first])
    fine = fit_envelopes(
        level_RL[first], best, fit.units_BP[first], rate, fade, False, price, start_RP[first], FINE
    )
    return [
        Explanation(
            rows[row].index,
            fine.units_BP[place : place + 1],
            fine.off_BN[place],
            fine.error_BP[place],
            mean_misfit(fine, best, place),
            fit.units_BP[other : other + 1],
            mean_misfit(fit, notes, other),
        )
        for place, (row, other) in enumerate(zip(first, second, strict=True))
    ]


@torch.no_grad()
def explain_under(
    model: TriptychModel, segment: SegmentLists, units_1P: Tensor, gates: Gates = "prior"
) -> tuple[int, Tensor]:
    """Chooses the note list of a segment under a known envelope.

    Returns the index of the list, and its note-offs in samples, float32 [N].
    """
    count, rate = len(segment.lists), model.format.rate
    level_RL = segment.level_L.expand(count, -1)
    frames = level_RL.shape[1] * LEVEL_HOP
    notes = span_batch([notes.rows for notes in segment.lists], frames).to(model.device)
    fit = fit_envelopes(
        level_RL, notes, units_1P.expand(count, -1), rate, model.format.cut_fade_ms, True, PRICES[gates]
    )
    cost = [
        float(value) + list_price(notes, rate) for notes, value in zip(segment.lists, fit.cost_B, strict=True)
    ]
    best = cost.index(min(cost))
    return best, fit.off_BN[best]


def list_price(notes: NoteList, rate: int) -> float:
    """Computes what a note list costs beside its misfit, as a sum over level steps."""
    steps_s = rate / LEVEL_HOP
    improbability = sum(
        -log_probability * (span.end - span.onset) / LEVEL_HOP
        for (_, span), log_probability in zip(notes.rows, notes.log_probability, strict=True)
    )
    return NOTE_PRICE_S * steps_s * len(notes.rows) + PITCH_WEIGHT * improbability


def mean_misfit(fit: EnvelopeFit, notes: NoteBatch, row: int) -> float:
    """Computes the mean misfit of a row's notes."""
    return float(fit.misfit_BN[row][notes.mask_BN[row]].mean())


def pad_levels(levels: Sequence[Tensor]) -> Tensor:
    """Pads levels of different lengths with silence to one batch: float32 [B, L]."""
    longest = max(len(level_L) for level_L in levels)
    return torch.stack([F.pad(level_L, (0, longest - len(level_L))) for level_L in levels])
