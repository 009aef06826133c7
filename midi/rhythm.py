"""Draws the rhythm of a generated phrase: onsets on a grid, and note-offs that make envelopes observable.

A phrase of n notes has n slots. A slot is the time from one onset to the next (the last: to the clip's end),
in grid cells. Three roles make envelopes observable:

- the *long* note lasts until every envelope has reached its sustain level;
- the *rest* note is followed by a rest as long as the longest release;
- the last note ends the longest release before the clip's end.

One note may have two roles. The roles set each slot's minimum; the remaining cells are distributed with
random weights that repeat every two to four notes, so the rhythm has a motif.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from manifests.synthesis.phrase_constants import (
    DETACHED_SHARES,
    LAST_SLOT_WEIGHT,
    LEAD_IN_PROBABILITY,
    LEAST_SLOT_WEIGHT,
    MOTIF_LENGTHS,
    ROUNDING,
    SHORTER_PROBABILITY,
    SHORTEST_NOTE_S,
    SHORTEST_STACCATO_S,
)
from manifests.types import InputError
from midi.spec import GenerateSpec, Observability


def _role_minimums(
    count: int, long: int, rest: int, observe: Observability
) -> tuple[list[float], list[float]]:
    """Returns each note's minimum duration and minimum rest after it, in seconds.

    `long` and `rest` are the indices of the notes with these roles.
    """
    held = [SHORTEST_NOTE_S] * count
    silent = [0.0] * count
    held[long] = max(observe.settle_s, SHORTEST_NOTE_S)
    silent[rest] = silent[-1] = observe.release_s
    return held, silent


def _cells(need_s: float, grid_s: float) -> int:
    return max(1, math.ceil(need_s / grid_s - ROUNDING))


def _minimum_slots(
    count: int, long: int, rest: int, spec: GenerateSpec, seconds: float, observe: Observability
) -> list[int]:
    """Returns the minimum number of cells of each slot.

    The part of the clip after the last full cell counts towards the rest of the last note.
    """
    held, silent = _role_minimums(count, long, rest, observe)
    beyond_grid = seconds - math.floor(seconds / spec.grid_s + ROUNDING) * spec.grid_s
    silent[-1] -= beyond_grid
    return [_cells(h + s, spec.grid_s) for h, s in zip(held, silent, strict=True)]


@lru_cache(maxsize=256)
def _fitting_roles(
    count: int, spec: GenerateSpec, seconds: float, observe: Observability
) -> list[tuple[int, int]]:
    """Lists every pair of role indices (long, rest) with which `count` notes fit the clip."""
    cells = math.floor(seconds / spec.grid_s + ROUNDING)
    return [
        (long, rest)
        for long in range(count)
        for rest in range(count - 1)
        if sum(_minimum_slots(count, long, rest, spec, seconds, observe)) <= cells
    ]


def feasible_note_counts(spec: GenerateSpec, seconds: float, observe: Observability) -> list[int]:
    """Lists the numbers of notes within `spec.notes` that fit a clip of `seconds`.

    Raises InputError if there is none; the message states the cells needed and available.
    """
    counts = [
        count
        for count in range(spec.notes[0], spec.notes[1] + 1)
        if _fitting_roles(count, spec, seconds, observe)
    ]
    if not counts:
        cells = math.floor(seconds / spec.grid_s + ROUNDING)
        fewest = spec.notes[0]
        needed = min(
            sum(_minimum_slots(fewest, long, rest, spec, seconds, observe))
            for long in range(fewest)
            for rest in range(fewest - 1)
        )
        raise InputError(
            f"phrases: {fewest} notes need {needed} cells of {spec.grid_s:g} s"
            f" (a note of {observe.settle_s:.3f} s for the longest attack + hold + decay,"
            f" {observe.release_s:.3f} s for the longest release in a rest and again at the end),"
            f" but a clip of {seconds:g} s has {cells}; use shorter envelopes, fewer notes,"
            " a finer grid or a longer clip"
        )
    return counts


def draw_rhythm(
    rng: np.random.Generator,
    spec: GenerateSpec,
    seconds: float,
    observe: Observability,
    staccato: Sequence[float] | None = None,
) -> list[tuple[float, float]]:
    """Draws (onset, note-off) of each note of a phrase, in seconds, with microsecond precision.

    In a staccato phrase `staccato` holds the share of its slot that each note sounds for. Onsets and the
    random numbers used are the same with and without it. The long note keeps its role.

    Raises InputError if no number of notes within `spec.notes` fits the clip.

    Example::

        rng = stream(seed, "phrase", index, 0)
        times = draw_rhythm(rng, GenerateSpec(), 3.0, Observability(600.0, 300.0))
    """
    counts = feasible_note_counts(spec, seconds, observe)
    count = counts[int(rng.random() * len(counts))]
    roles = _fitting_roles(count, spec, seconds, observe)
    long, rest = roles[int(rng.random() * len(roles))]
    slots = _minimum_slots(count, long, rest, spec, seconds, observe)
    spare = math.floor(seconds / spec.grid_s + ROUNDING) - sum(slots)

    lead_in = 1 if spare > 0 and rng.random() < LEAD_IN_PROBABILITY else 0
    steps = MOTIF_LENGTHS[int(rng.random() * len(MOTIF_LENGTHS))]
    motif = rng.random(steps) ** 2 + LEAST_SLOT_WEIGHT
    weights = np.array([motif[place % len(motif)] for place in range(count)])
    weights[-1] += LAST_SLOT_WEIGHT
    thresholds = np.cumsum(weights) / weights.sum()
    for _ in range(spare - lead_in):
        slots[min(int(np.searchsorted(thresholds, rng.random(), side="right")), count - 1)] += 1

    held, silent = _role_minimums(count, long, rest, observe)
    starts = np.concatenate([[0], np.cumsum(slots)[:-1]]) + lead_in
    onsets = [float(start) * spec.grid_s for start in starts]
    sounding = []
    for index, (onset, end) in enumerate(zip(onsets, [*onsets[1:], seconds], strict=True)):
        full = end - onset - silent[index]
        length = full
        if rng.random() >= spec.legato:  # detached: half its slot, or three quarters of it
            length = (end - onset) * DETACHED_SHARES[0 if rng.random() < SHORTER_PROBABILITY else 1]
        elif silent[index] > 0.0:  # off on the grid's halves where that leaves enough
            length = math.floor(full / (spec.grid_s / 2) + ROUNDING) * (spec.grid_s / 2)
        shortest = held[index]
        if staccato is not None:
            length = (end - onset) * staccato[index]
            shortest = shortest if index == long else SHORTEST_STACCATO_S
        length = min(max(length, shortest), full)
        sounding.append((round(onset, 6), math.floor((onset + length) * 1e6 + 0.5) / 1e6))
    return sounding
