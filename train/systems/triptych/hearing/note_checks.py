"""Checks notes by playing: tries what else the onsets of a segment may be, under its envelope.

An onset may be spurious, in a beat or in what is left after a note, and a repeated note may have been missed.
Each alternative has one onset less or one more. All are played in one batch: the level that their notes would
have is compared with the recording's, at the prices of `explanations`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from train.systems.base import Gates
from train.systems.triptych.hearing.explanations import NoteList, SegmentLists, explain_under
from train.systems.triptych.hearing.note_decoding import Onset
from train.systems.triptych.networks.model import TriptychModel

MOST_CHANGES = 24
"""Most changes that are tried in a round. Three seconds have fewer; in thirty, the least sure are tried."""

ROUNDS = 3
"""Most rounds of changes; each takes the changes that are not next to a better one."""


def check_onsets(
    model: TriptychModel,
    level_L: Tensor,
    onsets: Sequence[Onset],
    others: Sequence[Onset],
    to_notes: Callable[[Sequence[Onset]], NoteList],
    units_P: Tensor,
    gates: Gates = "prior",
) -> list[Onset]:
    """Drops and adds onsets of a segment as long as its explanation becomes cheaper.

    Args:
        model: the model.
        level_L: mean power of the segment every 64 samples.
        onsets: the onsets of its notes.
        others: further possible onsets.
        to_notes: decodes onsets to notes of the segment.
        units_P: the known envelope, in the head's units.
        gates: how note-offs are chosen.
    """
    present = sorted(onsets)
    for _ in range(ROUNDS):
        changes = likeliest_changes(present, others)
        lists = [present, *(_changed(present, onset) for onset in changes)]
        tried = SegmentLists(level_L, [to_notes(each) for each in lists])
        before, *after = (each.cost for each in explain_under(model, tried, units_P, gates))
        gains = sorted(
            ((before - cost, onset) for cost, onset in zip(after, changes, strict=True) if cost < before),
            reverse=True,
        )
        if not gains:
            break
        taken: list[Onset] = []
        for _, onset in gains:
            if not any(_adjacent(onset, other, present) for other in taken):
                taken.append(onset)
        for onset in taken:
            present = _changed(present, onset)
    return present


def likeliest_changes(present: Sequence[Onset], others: Sequence[Onset]) -> list[Onset]:
    """Returns the onsets to drop or to add, at most `MOST_CHANGES`, the ones that are least sure first."""
    doubts = [(onset.probability, onset) for onset in present] if len(present) > 1 else []
    doubts += [(1.0 - onset.probability, onset) for onset in others if onset not in present]
    return [onset for _, onset in sorted(doubts)[:MOST_CHANGES]]


def _changed(onsets: Sequence[Onset], onset: Onset) -> list[Onset]:
    """Returns the onsets without `onset` if it is one of them, else with it."""
    if onset in onsets:
        return [other for other in onsets if other != onset]
    return sorted([*onsets, onset])


def _adjacent(first: Onset, second: Onset, onsets: Sequence[Onset]) -> bool:
    """Tells whether at most one onset lies between two changes, so that they concern the same notes."""
    low, high = min(first.at, second.at), max(first.at, second.at)
    return sum(low < onset.at < high for onset in onsets) <= 1
