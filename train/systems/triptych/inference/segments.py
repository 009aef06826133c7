"""Splits a long recording into segments of whole notes, and fits the envelopes of segments in one batch.

Shape suffixes: B segments, L level steps of 64 samples, P = 6 envelope numbers in the head's units.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from manifests.synthesis.compose import Span
from manifests.types import Note
from train.nn.gain import span_batch
from train.systems.triptych.inference.envelope_fit import EnvelopeFit, fit_envelopes
from train.systems.triptych.networks.features import LEVEL_HOP, LONG_HOP
from train.systems.triptych.networks.model import TriptychModel


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


def fit_segments(
    model: TriptychModel, segments: Sequence[SegmentLevel], units_BP: Tensor, fixed_envelopes: bool
) -> EnvelopeFit:
    """Pads segments of different lengths to one batch and calls `fit_envelopes`."""
    longest = max(len(segment.level_L) for segment in segments)
    level_BL = torch.stack(
        [F.pad(segment.level_L, (0, longest - len(segment.level_L))) for segment in segments]
    )
    notes = span_batch([segment.rows for segment in segments], longest * LEVEL_HOP).to(level_BL.device)
    return fit_envelopes(
        level_BL, notes, units_BP, model.format.rate, model.format.cut_fade_ms, fixed_envelopes
    )
