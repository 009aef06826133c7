"""Splits a long recording into segments of whole notes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from manifests.synthesis.compose import Span
from train.systems.triptych.hearing.note_decoding import NoteEstimate
from train.systems.triptych.networks.features import LONG_HOP


class PlacedNote(NamedTuple):
    """A decoded note, with its onset, note-off and end in samples."""

    estimate: NoteEstimate
    span: Span


class Segment(NamedTuple):
    """Samples `start` to before `stop` of a recording, which hold whole notes."""

    start: int
    stop: int


def split_segments(note_spans: Sequence[Span], samples: int, longest: int) -> list[Segment]:
    """Splits a recording of `samples` into segments of whole notes, each at most `longest` samples.

    A note that is longer than that is cut off.
    """
    if samples <= longest:
        return [Segment(0, samples)]
    segments: list[Segment] = []
    first = 0
    while first < len(note_spans):
        start = note_spans[first].onset // LONG_HOP * LONG_HOP
        last = first + 1
        while last < len(note_spans) and note_spans[last].end - start <= longest:
            last += 1
        segments.append(Segment(start, min(note_spans[last - 1].end, start + longest)))
        first = last
    return segments
