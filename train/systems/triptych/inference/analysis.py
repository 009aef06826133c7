"""Estimates the notes and the envelope of recordings, with a measure of confidence for both.

Envelope and timbre are estimated from the first `PASSAGE_S` seconds with notes. In the rest of a long
recording only the note-offs are fitted, under that envelope.

Shape suffixes: B clips, N notes, L level steps of 64 samples, P = 6 envelope numbers in the head's units (see
`networks.envelope_head.to_units`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from manifests.synthesis.compose import Span, spans, to_samples
from manifests.synthesis.octaves import octave_of
from manifests.types import Envelope, Notes
from train.audio.files import peak_of
from train.audio.highpass import highpass
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
from train.systems.triptych.inference.explanations import (
    Explanation,
    Gates,
    NoteList,
    SegmentLists,
    explain,
    explain_under,
    refine,
)
from train.systems.triptych.inference.nonharmonic import nonharmonic_power_ratio
from train.systems.triptych.inference.note_checks import check_onsets
from train.systems.triptych.inference.note_decoding import (
    ONSET_THRESHOLDS,
    SHORTEST_NOTE_S,
    NoteDecoder,
    Onset,
)
from train.systems.triptych.inference.recording import encode_recording, to_model_input
from train.systems.triptych.inference.segments import (
    PlacedNote,
    Segment,
    split_segments,
)
from train.systems.triptych.networks.envelope_head import from_units
from train.systems.triptych.networks.features import LEVEL_HOP, Features, extract_features
from train.systems.triptych.networks.model import TriptychModel

PASSAGE_S = 30.0
"""Seconds of a recording from which envelope and timbre are estimated."""

HIGHPASS_HZ = 25.0
"""Below this frequency nothing is heard."""

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


@torch.no_grad()
def analyse(model: TriptychModel, recordings: Sequence[Audio], gates: Gates = "prior") -> list[Analysis]:
    """Estimates notes, velocities and envelope of each recording; all envelopes are fitted in one batch.

    Args:
        model: the model, in evaluation mode.
        recordings: float32 [n] each, at the model's rate; lengths may differ.
        gates: how note-offs are chosen, see `explanations`.

    Example::

        (analysis,) = analyse(model, [audio])
        print(analysis.notes, analysis.envelope.release_ms)
    """
    analysers = [_RecordingAnalyser(model, audio, gates) for audio in recordings]
    with_notes = [analyser for analyser in analysers if analyser.segments]
    if with_notes:
        first = [analyser.onset_choices(analyser.segments[0]) for analyser in with_notes]
        tried = [
            analyser.segment_lists(analyser.segments[0], choices)
            for analyser, choices in zip(with_notes, first, strict=True)
        ]
        coarse = [best for best, *_ in explain(model, tried, gates)]
        checked = [
            analyser.check(analyser.segments[0], choices[each.index], each.units_P)
            for analyser, choices, each in zip(with_notes, first, coarse, strict=True)
        ]
        settled = [
            analyser.segment_lists(analyser.segments[0], [onsets])
            for analyser, onsets in zip(with_notes, checked, strict=True)
        ]
        fine = refine(model, settled, coarse, gates)
        for analyser, onsets, explanation in zip(with_notes, checked, fine, strict=True):
            analyser.apply(onsets, explanation)
    return [analyser.result() for analyser in analysers]


class _RecordingAnalyser:
    """Analyses one recording: decodes its notes, then takes over the explanation of its first segment."""

    def __init__(self, model: TriptychModel, audio: Audio, gates: Gates) -> None:
        self.model, self.gates = model, gates
        self.samples, self.rate = len(audio), model.format.rate
        # Constants and rumble would count as level.
        self.audio = highpass(audio, HIGHPASS_HZ, self.rate)
        peak = peak_of(self.audio)
        self.scale = PEAK / peak if peak > 0.0 else 0.0
        self.encoded = encode_recording(model, self.audio, self.scale)
        self.decoder = NoteDecoder(self.encoded, self.rate, self.samples)
        self.onset_lists = [self.decoder.onsets(threshold) for threshold in ONSET_THRESHOLDS]
        self.segments: list[Segment] = []
        if self.onset_lists[0]:
            notes = [estimate.note for estimate in self.decoder.decode(self.onset_lists[0])]
            longest = round(PASSAGE_S * self.rate)
            self.segments = split_segments(spans(notes, self.rate, self.samples), self.samples, longest)
        self.placed: list[PlacedNote] = []
        self.envelope = DEFAULT_ENVELOPE
        self.envelope_errors: tuple[float, ...] = ()

    def onset_choices(self, segment: Segment) -> list[list[Onset]]:
        """Returns the different lists of onsets of a segment, each of at least one onset."""
        choices: list[list[Onset]] = []
        for onsets in self.onset_lists:
            inside = [onset for onset in onsets if segment.start <= onset.at < segment.stop]
            if inside and inside not in choices:
                choices.append(inside)
        return choices

    def segment_lists(self, segment: Segment, choices: Sequence[Sequence[Onset]]) -> SegmentLists:
        """Cuts a segment's level out of the recording, and decodes the notes of lists of onsets."""
        return SegmentLists(self._level(segment), [self._note_list(segment, onsets) for onsets in choices])

    def _level(self, segment: Segment) -> Tensor:
        return self.encoded.level_L[segment.start // LEVEL_HOP : segment.stop // LEVEL_HOP + 1]

    def _note_list(self, segment: Segment, onsets: Sequence[Onset]) -> NoteList:
        estimates = self.decoder.decode(onsets, segment.stop)
        notes = [estimate.note for estimate in estimates]
        return NoteList(
            list(zip(notes, _relative(spans(notes, self.rate, segment.stop), segment.start), strict=True)),
            [estimate.pitch_log_probability for estimate in estimates],
        )

    def check(self, segment: Segment, onsets: Sequence[Onset], units_P: Tensor) -> list[Onset]:
        """Checks the onsets of a segment by playing them under an envelope, see `note_checks`."""
        others = {onset for choice in self.onset_choices(segment) for onset in choice}
        to_notes = partial(self._note_list, segment)
        return check_onsets(
            self.model, self._level(segment), onsets, sorted(others), to_notes, units_P, self.gates
        )

    def apply(self, onsets: Sequence[Onset], explanation: Explanation) -> None:
        """Takes envelope, onsets and note-offs of the first segment, and explains the others under it."""
        units_P = explanation.units_P
        self.envelope = to_envelope(from_units(units_P))
        self.envelope_errors = tuple(explanation.error_P.tolist())
        chosen, offs = [*onsets], [self.segments[0].start + off for off in explanation.off_N.tolist()]
        offs = offs[: len(chosen)]
        ends = [*(onset.at for onset in onsets[1:]), self.segments[0].stop]
        for segment in self.segments[1:]:
            choices = self.onset_choices(segment)
            tried = explain_under(self.model, self.segment_lists(segment, choices), units_P, self.gates)
            best = min(tried, key=lambda each: each.cost)
            kept = self.check(segment, choices[best.index], units_P)
            (last,) = explain_under(self.model, self.segment_lists(segment, [kept]), units_P, self.gates)
            chosen += kept
            offs += [segment.start + off for off in last.off_N.tolist()[: len(kept)]]
            ends += [*(onset.at for onset in kept[1:]), segment.stop]
        self._place(chosen, offs, ends)
        self._estimate_velocities()

    def _place(self, onsets: Sequence[Onset], offs: Sequence[float], ends: Sequence[float]) -> None:
        """Decodes all notes together, and sets their note-offs, rounded to 1 ms.

        A note that is held ends at the next onset.
        """
        for estimate, off, until in zip(self.decoder.decode(onsets), offs, ends, strict=True):
            note, onset = estimate.note, to_samples(estimate.note.onset, self.rate)
            end = min(to_samples(round(until / self.rate, 3), self.rate), self.samples)
            last = end if end - off < 0.004 * self.rate else off
            duration = max(round(last / self.rate, 3) - note.onset, 0.001)
            span = Span(onset, min(to_samples(note.onset + duration, self.rate), end), end)
            self.placed.append(PlacedNote(estimate._replace(note=replace(note, duration=duration)), span))

    def _estimate_velocities(self) -> None:
        """Sets velocities from each note's loudness under its envelope; the loudest note gets 127.

        Notes shorter than `SHORTEST_NOTE_S` cannot set that maximum: they may be spurious, and their envelope
        has not risen.
        """
        ratios: list[float] = []
        for segment in self.segments:
            level_L, notes = self._level(segment), self._notes_of(segment)
            ratios += note_loudness(
                level_L, notes, self.envelope, self.rate, self.model.format.cut_fade_ms
            ).tolist()
        candidates = [
            ratio
            for (estimate, _), ratio in zip(self.placed, ratios, strict=True)
            if estimate.note.duration >= SHORTEST_NOTE_S
        ]
        highest = max(max(candidates or ratios), 1e-9)
        self.placed = [
            PlacedNote(
                estimate._replace(
                    note=replace(estimate.note, velocity=min(max(round(ratio / highest * 127.0), 1), 127))
                ),
                span,
            )
            for (estimate, span), ratio in zip(self.placed, ratios, strict=True)
        ]

    def _notes_of(self, segment: Segment) -> NoteBatch:
        """Batches the notes that begin in a segment as one clip."""
        notes = [each for each in self.placed if segment.start <= each.span.onset < segment.stop]
        places = _relative([span for _, span in notes], segment.start)
        rows = [(estimate.note, place) for (estimate, _), place in zip(notes, places, strict=True)]
        return span_batch([rows], segment.stop - segment.start).to(self.model.device)

    def result(self) -> Analysis:
        """Collects what was estimated."""
        if not self.placed:
            return Analysis((), DEFAULT_ENVELOPE, (), (), None)
        segment = self.segments[0]
        features = self.encoded.features
        if features is None or segment.stop - segment.start < self.samples:
            audio = self.audio[segment.start : segment.stop]
            features = extract_features(to_model_input(audio, self.scale, self.model.device), self.rate)
        passage = Passage(features, self._notes_of(segment), self.scale)
        last = self.placed[-1].span
        return Analysis(
            tuple(estimate.note for estimate, _ in self.placed),
            self.envelope,
            tuple(estimate.pitch_confidence for estimate, _ in self.placed),
            self.envelope_errors,
            passage,
            last_note_released=last.end - last.off >= 0.02 * self.rate,
            nonharmonic_ratio=nonharmonic_power_ratio(features.long_BGC, passage.notes, self.rate),
        )


def _relative(note_spans: Sequence[Span], start: int) -> list[Span]:
    """Returns spans in samples from `start`."""
    return [Span(*(value - start for value in span)) for span in note_spans]


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
