"""Synthesises notes in a timbre, shaped by an envelope: dry tones times the gain.

A long clip is made window by window, and each tone is cut at the windows' edges. Every segment is played
with a margin on both sides that covers the decoder's receptive field. So the sound does not depend on where
the edges are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from manifests.synthesis.compose import Span, spans
from manifests.types import Envelope, Notes
from train.audio.files import scratch
from train.nn.gain import clip_gain, envelope_batch, span_batch
from train.systems.base import Audio
from train.systems.triptych.networks.excitation import HOP
from train.systems.triptych.networks.model import TriptychModel
from train.systems.triptych.networks.timbre import Timbre
from train.systems.triptych.playing.loudness import loudest_rms
from train.systems.triptych.playing.tone_playing import ToneRows, play_tones

WINDOW_S = 10.0
"""Seconds of sound that are synthesised at once."""

MAX_BATCH_FRAMES = 1500
"""Most decoder frames in one call, over all rows."""


class ToneSegment(NamedTuple):
    """A part of one note's tone, in samples.

    Attributes:
        note: index of the note.
        first: the segment's first sample, counted from the note's onset.
        length: samples of the segment.
        before: margin before it, decoded and then dropped.
        after: margin after it, likewise.
    """

    note: int
    first: int
    length: int
    before: int
    after: int

    @property
    def decoded_length(self) -> int:
        """Samples of the segment with both margins."""
        return self.before + self.length + self.after


def synthesise(model: TriptychModel, notes: Notes, envelope: Envelope, timbre: Timbre, samples: int) -> Audio:
    """Synthesises notes in a timbre, shaped by an envelope: float32 [samples] at the model's rate.

    The loudest 6 ms are as loud as those of the recording that the timbre comes from. Peaks may exceed full
    scale.

    Example::

        synthesise(model, (Note(0.0, 0.5, 60, 127),), Envelope(5.0, 200.0, 0.3, 120.0), timbre, 44_100)
    """
    rate = model.format.rate
    placed = spans(notes, rate, samples) if notes else []
    sound = scratch(samples)
    step = round(WINDOW_S * rate)
    for start in range(0, samples, step):
        stop = min(start + step, samples)
        inside = [i for i, span in enumerate(placed) if span.onset < stop and span.end > start]
        if not inside:
            continue
        gain = window_gain(model, notes, placed, inside, envelope, start, stop)
        if not bool(gain.any()):
            continue
        dry = torch.zeros(stop - start, device=timbre.vectors.device)
        for batch in batch_by_length(tone_segments(model, placed, inside, envelope, start, stop)):
            for segment, tone in zip(batch, play_segments(model, notes, batch, timbre), strict=True):
                at = placed[segment.note].onset + segment.first - start
                dry[at : at + segment.length] = tone[segment.before : segment.before + segment.length]
        sound[start:stop] = (gain * dry).cpu().numpy()
    loudest = loudest_rms(sound)
    factor = float(timbre.profile.level_B[0]) / loudest if loudest > 0.0 else 0.0
    for start in range(0, samples, step):
        sound[start : start + step] *= np.float32(factor)
    return sound


def window_gain(
    model: TriptychModel,
    notes: Notes,
    placed: Sequence[Span],
    inside: Sequence[int],
    envelope: Envelope,
    start: int,
    stop: int,
) -> Tensor:
    """Computes the gain of samples `start` to before `stop`, float32 [stop - start].

    Only the notes with an index in `inside` are considered; `placed` are the spans of all notes.
    """
    device, format = model.device, model.format
    rows = [(notes[i], Span(*(value - start for value in placed[i]))) for i in inside]
    batch = span_batch([rows], stop - start).to(device)
    at = torch.arange(stop - start, device=device, dtype=torch.float32)[None]
    return clip_gain(batch, envelope_batch([envelope]).to(device), at, format.rate, format.cut_fade_ms)[0]


def tone_segments(
    model: TriptychModel,
    placed: Sequence[Span],
    inside: Sequence[int],
    envelope: Envelope,
    start: int,
    stop: int,
) -> Iterator[ToneSegment]:
    """Yields the audible part of each note between samples `start` and `stop`, with its margins."""
    release = envelope.release_ms * model.format.rate / 1000.0 + 2.0
    reach = (3 * model.config.decoder_blocks + 6) * HOP
    for index in inside:
        onset, off, end = placed[index]
        audible = int(min(end, off + release)) - onset
        first, last = max(start - onset, 0), min(stop - onset, audible)
        if last > first:
            # A tone's frames lie on one grid, wherever it is cut.
            before = min(reach + first % HOP, first)
            yield ToneSegment(index, first, last - first, before, min(reach, audible - last))


def batch_by_length(segments: Iterator[ToneSegment]) -> list[list[ToneSegment]]:
    """Groups segments of similar length into batches of at most `MAX_BATCH_FRAMES`."""
    batches: list[list[ToneSegment]] = []
    for segment in sorted(segments, key=lambda segment: segment.decoded_length):
        frames = segment.decoded_length // HOP + 5
        if batches and (len(batches[-1]) + 1) * frames <= MAX_BATCH_FRAMES:
            batches[-1].append(segment)
        else:
            batches.append([segment])
    return batches


def play_segments(
    model: TriptychModel, notes: Notes, segments: Sequence[ToneSegment], timbre: Timbre
) -> Tensor:
    """Plays the dry tones of segments with their margins, float32 [segments, samples]."""
    device = timbre.vectors.device
    rows = ToneRows(
        torch.tensor([float(notes[segment.note].pitch) for segment in segments], device=device),
        torch.tensor([float(segment.first - segment.before) for segment in segments], device=device),
        torch.tensor([float(segment.decoded_length) for segment in segments], device=device),
        torch.tensor([segment.note for segment in segments], device=device),
    )
    longest = -(-max(segment.decoded_length for segment in segments) // HOP) * HOP
    return play_tones(model, timbre, rows, longest)
