"""Splits a long recording into segments of whole notes.

Shape suffixes: L level steps of 64 samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from manifests.synthesis.compose import Span
from manifests.types import Note
from train.systems.triptych.networks.features import LONG_HOP


class PlacedNote(NamedTuple):
    """A note, with its onset, note-off and end in samples."""

    note: Note
    span: Span


class Segment(NamedTuple):
    """Notes `first` to before `last` of a recording, and samples `start` to before `stop` that hold them."""

    first: int
    last: int
    start: int
    stop: int


def split_segments(placed: Sequence[PlacedNote], samples: int, longest: int) -> list[Segment]:
    """Splits a recording of `samples` into segments of whole notes, each at most `longest` samples.

    A note that is longer than that is cut off.
    """
    if samples <= longest:
        return [Segment(0, len(placed), 0, samples)]
    segments: list[Segment] = []
    first = 0
    while first < len(placed):
        start = placed[first].span.onset // LONG_HOP * LONG_HOP
        last = first + 1
        while last < len(placed) and placed[last].span.end - start <= longest:
            last += 1
        segments.append(Segment(first, last, start, min(placed[last - 1].span.end, start + longest)))
        first = last
    return segments


class SegmentLevel(NamedTuple):
    """The level of a segment, float32 [L], and its notes, counted in samples from the segment's start."""

    level_L: Tensor
    rows: list[tuple[Note, Span]]
