"""Estimates the notes and the envelope of recordings, with a measure of confidence for both.

Envelope and timbre are estimated from the first `PASSAGE_S` seconds with notes. In the rest of a long
recording only the note-offs are fitted, under that envelope.

Shape suffixes: B clips, N notes, L level steps of 64 samples, P = 6 envelope numbers in the head's units (see
`networks.envelope_head.to_units`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from manifests.synthesis.compose import Span, spans, to_samples
from manifests.synthesis.octaves import octave_of
from manifests.types import Envelope, Notes
from train.audio.files import peak_of
from train.nn.gain import (
    EnvelopeBatch,
    NoteBatch,
    clip_gain,
    envelope_batch,
    nearest_curve,
    note_at,
    span_batch,
)
from train.systems.base import Audio
from train.systems.peak import PEAK
from train.systems.triptych.inference.envelope_fit import EnvelopeFit
from train.systems.triptych.inference.explanations import Gates, explain, fit_note_offs
from train.systems.triptych.inference.nonharmonic import nonharmonic_power_ratio
from train.systems.triptych.inference.recording import encode_recording, to_model_input
from train.systems.triptych.inference.segments import (
    PlacedNote,
    Segment,
    SegmentLevel,
    split_segments,
)
from train.systems.triptych.networks.envelope_head import from_units
from train.systems.triptych.networks.features import LEVEL_HOP, Features, extract_features
from train.systems.triptych.networks.model import TriptychModel
from train.systems.triptych.networks.note_head import SHORTEST_NOTE_S, decode_notes

PASSAGE_S = 30.0
"""Seconds of a recording from which envelope and timbre are estimated."""

MEDIAN_TOLERANCE = 0.02
"""Share of the sounding time: notes that end this close to half of it count as exactly half."""

DEFAULT_ENVELOPE = Envelope(10.0, 100.0, 0.5, 100.0)
"""The envelope reported for a recording without notes."""


class Passage(NamedTuple):
    """The stretch of a recording from which the timbre is extracted.

    Attributes:
        features: features of one clip at a peak of -1 dBFS.
        notes: its notes as a batch of one clip, times in samples.
        scale: factor that brought the recording to -1 dBFS.
    """

    features: Features
    notes: NoteBatch
    scale: float


@dataclass(frozen=True, slots=True)
class Analysis:
    """The notes and the envelope estimated from a recording.

    Attributes:
        notes: notes at their sounding pitch, times in seconds; empty for silence.
        envelope: the envelope, in ms; `DEFAULT_ENVELOPE` without notes.
        pitch_confidence: probability 0..1 of each note's pitch.
        envelope_errors: standard errors of attack, hold and decay (of their logarithms), sustain and release
            (of its logarithm), in the head's units; empty without notes.
        passage: what the timbre is extracted from; None without notes.
        last_note_released: whether the last note's release begins before the recording ends.
        nonharmonic_ratio: share 0..1 of the passage's power that lies at no harmonic of its notes.
    """

    notes: Notes
    envelope: Envelope
    pitch_confidence: tuple[float, ...]
    envelope_errors: tuple[float, ...]
    passage: Passage | None
    last_note_released: bool = False
    nonharmonic_ratio: float = 0.0

    @property
    def octave(self) -> int:
        """The octave, relative to the written register, that the notes sound in; 0 without notes."""
        return octave_of(robust_median_pitch(self.notes)) if self.notes else 0


def robust_median_pitch(notes: Notes) -> int:
    """Computes `manifests.synthesis.octaves.median_pitch` for estimated, so inexact, durations.

    On a time grid the lower pitches often sound for exactly half the time. The definition then selects the
    lower pitch, and an error of a few ms must not select another octave.

    Raises ValueError if there are no notes.
    """
    ordered = sorted(notes, key=lambda note: note.pitch)
    total = sum(note.duration for note in ordered)
    passed = 0.0
    for note in ordered:
        passed += note.duration
        if passed >= (0.5 - MEDIAN_TOLERANCE) * total:
            return note.pitch
    raise ValueError("robust_median_pitch of no notes")


def analyse(model: TriptychModel, recordings: Sequence[Audio], gates: Gates = "prior") -> list[Analysis]:
    """Estimates notes, velocities and envelope of each recording; all envelopes are fitted in one batch.

    Args:
        model: the model, in evaluation mode.
        recordings: float32 [n] each, at the model's rate; lengths may differ.

    Example::

        (analysis,) = analyse(model, [audio])
        print(analysis.notes, analysis.envelope.release_ms)
    """
    analysers = [_RecordingAnalyser(model, audio) for audio in recordings]
    with_notes = [analyser for analyser in analysers if analyser.placed]
    if with_notes:
        levels = [analyser.segment_level(analyser.segments[0]) for analyser in with_notes]
        explanation = explain(model, levels, gates)
        for row, analyser in enumerate(with_notes):
            analyser.apply_fit(explanation.fit, row, gates)
    return [analyser.result() for analyser in analysers]


class _RecordingAnalyser:
    """Analyses one recording: decodes its notes, then takes over the result of an envelope fit."""

    def __init__(self, model: TriptychModel, audio: Audio) -> None:
        self.model, self.audio, self.samples = model, audio, len(audio)
        rate = model.format.rate
        peak = peak_of(audio)
        self.scale = PEAK / peak if peak > 0.0 else 0.0
        self.encoded = encode_recording(model, audio, self.scale)
        logits, traits_GPS, level_L, _ = self.encoded
        estimates = decode_notes(logits, 0, traits_GPS, level_L, LEVEL_HOP, rate, self.samples)
        notes = [estimate.note for estimate in estimates]
        self.pitch_confidence = tuple(estimate.pitch_confidence for estimate in estimates)
        note_spans = spans(notes, rate, self.samples) if notes else []
        self.placed = [PlacedNote(*pair) for pair in zip(notes, note_spans, strict=True)]
        self.segments = split_segments(self.placed, self.samples, round(PASSAGE_S * rate))
        self.envelope = DEFAULT_ENVELOPE
        self.envelope_errors: tuple[float, ...] = ()

    def segment_level(self, segment: Segment) -> SegmentLevel:
        """Cuts a segment's level and notes out of the recording."""
        start = segment.start
        rows = [
            (note, Span(span.onset - start, span.off - start, span.end - start))
            for note, span in self.placed[segment.first : segment.last]
        ]
        return SegmentLevel(self.encoded.level_L[start // LEVEL_HOP : segment.stop // LEVEL_HOP + 1], rows)

    def segment_notes(self, segment: Segment) -> NoteBatch:
        """Returns a segment's notes as a batch of one clip."""
        rows = self.segment_level(segment).rows
        return span_batch([rows], segment.stop - segment.start).to(self.encoded.level_L.device)

    def apply_fit(self, fit: EnvelopeFit, row: int, gates: Gates) -> None:
        """Takes the envelope fitted to the first segment, and fits the note-offs of the others under it."""
        units_1P = fit.units_BP[row : row + 1]
        self.envelope = to_envelope(from_units(units_1P))
        self.envelope_errors = tuple(fit.error_BP[row].tolist())
        self._set_note_offs(self.segments[0], fit.off_BN[row])
        for segment in self.segments[1:]:
            off_BN = fit_note_offs(self.model, self.segment_level(segment), units_1P, gates)
            self._set_note_offs(segment, off_BN[0])
        self._estimate_velocities()

    def _set_note_offs(self, segment: Segment, off_N: Tensor) -> None:
        """Moves note-offs to the fitted ones, rounded to 1 ms; a legato note ends at the next onset."""
        rate = self.model.format.rate
        for index, off in zip(range(segment.first, segment.last), off_N.tolist(), strict=False):
            note, span = self.placed[index]
            at = segment.start + off
            last = span.end if span.end - at < 0.004 * rate else at
            duration = max(round(last / rate, 3) - note.onset, 0.001)
            note_off = min(to_samples(note.onset + duration, rate), span.end)
            self.placed[index] = PlacedNote(replace(note, duration=duration), span._replace(off=note_off))

    def _estimate_velocities(self) -> None:
        """Sets velocities from each note's loudness under its envelope; the loudest note gets 127.

        Notes shorter than `SHORTEST_NOTE_S` cannot set that maximum: they may be spurious, and their envelope
        has not risen.
        """
        ratios: list[float] = []
        for segment in self.segments:
            level_L, _ = self.segment_level(segment)
            ratios += note_loudness(
                level_L, self.segment_notes(segment), self.envelope, self.model.format.rate,
                self.model.format.cut_fade_ms,
            ).tolist()  # fmt: skip
        candidates = [
            ratio
            for (note, _), ratio in zip(self.placed, ratios, strict=True)
            if note.duration >= SHORTEST_NOTE_S
        ]
        highest = max(max(candidates or ratios), 1e-9)
        self.placed = [
            PlacedNote(replace(note, velocity=min(max(round(ratio / highest * 127.0), 1), 127)), span)
            for (note, span), ratio in zip(self.placed, ratios, strict=True)
        ]

    def result(self) -> Analysis:
        """Collects what was estimated."""
        if not self.placed:
            return Analysis((), DEFAULT_ENVELOPE, (), (), None)
        rate, segment = self.model.format.rate, self.segments[0]
        features = self.encoded.features
        if features is None or segment.stop - segment.start < self.samples:
            audio = self.audio[segment.start : segment.stop]
            features = extract_features(to_model_input(audio, self.scale, self.model.device), rate)
        passage = Passage(features, self.segment_notes(segment), self.scale)
        last = self.placed[-1].span
        return Analysis(
            tuple(note for note, _ in self.placed),
            self.envelope,
            self.pitch_confidence,
            self.envelope_errors,
            passage,
            last_note_released=last.end - last.off >= 0.02 * rate,
            nonharmonic_ratio=nonharmonic_power_ratio(features.long_BGC, passage.notes, rate),
        )


def to_envelope(batch: EnvelopeBatch) -> Envelope:
    """Converts the first envelope of a batch to the dataclass, times in ms."""
    attack, hold, decay, sustain, release, curve = (float(value.flatten()[0]) for value in batch)
    return Envelope(attack, decay, sustain, release, hold, nearest_curve(curve))


def note_loudness(
    level_L: Tensor, notes: NoteBatch, envelope: Envelope, rate: int, cut_fade_ms: float
) -> Tensor:
    """Computes each note's RMS over the RMS of its gain at full velocity, float32 [N].

    Args:
        level_L: mean power of one clip every 64 samples.
        notes: its notes as a batch of one clip, times in samples.
        envelope: the envelope of the clip.
        rate: sample rate in Hz.
        cut_fade_ms: fade at the end of a cut note, in ms.
    """
    at_BL = (torch.arange(len(level_L), device=level_L.device) * float(LEVEL_HOP))[None]
    full = notes._replace(velocity_BN=torch.ones_like(notes.velocity_BN))
    gain_BL = clip_gain(full, envelope_batch([envelope]).to(level_L.device), at_BL, rate, cut_fade_ms)
    index_BL, has_note_BL = note_at(notes, at_BL)
    inside = (has_note_BL & (at_BL < notes.end_BN.gather(1, index_BL)))[0].float()
    sums = torch.zeros(2, notes.onset_BN.shape[1], device=level_L.device)
    sums.index_add_(1, index_BL[0], torch.stack([level_L * inside, gain_BL[0].square() * inside]))
    return (sums[0] / sums[1].clamp(min=1e-6)).sqrt()
