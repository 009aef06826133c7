"""Estimates the notes and the envelope of recordings, with a measure of confidence for both.

Envelope and timbre are estimated from the first `PASSAGE_S` seconds with notes. In the rest of a long
recording, onsets and note-offs are chosen under that envelope.

Shape suffixes: N notes, L level steps of 64 samples, P = 6 envelope numbers in the head's units (see
`networks.envelope_head.to_units`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from manifests.synthesis.compose import Span, spans, to_samples
from manifests.types import Notes
from train.audio.files import peak_of
from train.audio.highpass import highpass
from train.nn.gain import NoteBatch, span_batch
from train.systems.base import Audio, Gates
from train.systems.peak import PEAK
from train.systems.triptych.hearing.analysis_result import DEFAULT_ENVELOPE, Analysis, Passage, to_envelope
from train.systems.triptych.hearing.explanations import (
    Explanation,
    NoteList,
    SegmentLists,
    explain,
    explain_under,
    refine,
)
from train.systems.triptych.hearing.nonharmonic import nonharmonic_power_ratio
from train.systems.triptych.hearing.note_checks import check_onsets
from train.systems.triptych.hearing.note_decoding import (
    ONSET_THRESHOLDS,
    SHORTEST_NOTE_S,
    NoteDecoder,
    Onset,
)
from train.systems.triptych.hearing.recording import encode_recording, to_model_input
from train.systems.triptych.hearing.segments import (
    PlacedNote,
    Segment,
    split_segments,
)
from train.systems.triptych.hearing.tracked_pitch import mix_tracked_pitch
from train.systems.triptych.hearing.velocities import has_played_velocities, note_loudness
from train.systems.triptych.networks.envelope_head import from_units
from train.systems.triptych.networks.features import LEVEL_HOP, extract_features
from train.systems.triptych.networks.model import TriptychModel

PASSAGE_S = 30.0
"""Seconds of a recording from which envelope and timbre are estimated."""

SURE_PITCH = 0.5
"""Pitch confidence of a note below which the pitch tracker is asked."""

HIGHPASS_HZ = 25.0
"""Below this frequency nothing is heard."""


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
        explained = explain(model, tried, gates)
        coarse = [best for best, *_ in explained]
        checked = [
            analyser.check(analyser.segments[0], choices[each.of_list], each.units_P)
            for analyser, choices, each in zip(with_notes, first, coarse, strict=True)
        ]
        settled = [
            analyser.segment_lists(analyser.segments[0], [onsets])
            for analyser, onsets in zip(with_notes, checked, strict=True)
        ]
        fine = refine(model, settled, coarse, gates)
        for analyser, onsets, best, (_, *others) in zip(with_notes, checked, fine, explained, strict=True):
            analyser.apply(onsets, best, others)
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
            estimates = self.decoder.decode(self.onset_lists[0])
            if min(estimate.pitch_confidence for estimate in estimates) < SURE_PITCH:
                self.decoder.pitch_GP = mix_tracked_pitch(self.decoder.pitch_GP, self.audio, self.rate)
            notes = [estimate.note for estimate in estimates]
            longest = round(PASSAGE_S * self.rate)
            self.segments = split_segments(spans(notes, self.rate, self.samples), self.samples, longest)
        self.placed: list[PlacedNote] = []
        self.envelope = DEFAULT_ENVELOPE
        self.envelope_errors: tuple[float, ...] = ()
        self.misfit_db = 0.0
        self.runner_up: Explanation | None = None

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

    def apply(self, onsets: Sequence[Onset], explanation: Explanation, others: Sequence[Explanation]) -> None:
        """Takes envelope, onsets and note-offs of the first segment, and explains the others under it."""
        units_P = explanation.units_P
        self.envelope = to_envelope(from_units(units_P))
        self.envelope_errors = tuple(explanation.error_P.tolist())
        self.misfit_db, self.runner_up = explanation.misfit_db, others[0] if others else None
        chosen, offs = [*onsets], [self.segments[0].start + off for off in explanation.off_N.tolist()]
        offs = offs[: len(chosen)]
        ends = [*(onset.at for onset in onsets[1:]), self.segments[0].stop]
        for segment in self.segments[1:]:
            choices = self.onset_choices(segment)
            tried = explain_under(self.model, self.segment_lists(segment, choices), units_P, self.gates)
            best = min(tried, key=lambda each: each.cost)
            kept = self.check(segment, choices[best.of_list], units_P)
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

    def _played(self, segment: Segment, notes: Notes) -> NoteBatch:
        """Batches the notes that begin in a segment, with the velocities they were played with."""
        batch = self._notes_of(segment)
        if has_played_velocities(notes):
            return batch
        return batch._replace(velocity_BN=torch.where(batch.mask_BN, 1.0, 0.0))

    def result(self) -> Analysis:
        """Collects what was estimated."""
        if not self.placed:
            return Analysis((), DEFAULT_ENVELOPE, (), (), None)
        segment = self.segments[0]
        audio = to_model_input(self.audio[segment.start : segment.stop], self.scale, self.model.device)
        features = self.encoded.features
        if features is None or segment.stop - segment.start < self.samples:
            features = extract_features(audio, self.rate)
        notes = tuple(estimate.note for estimate, _ in self.placed)
        passage = Passage(audio[0], features, self._played(segment, notes), self.scale)
        last = self.placed[-1].span
        return Analysis(
            notes,
            self.envelope,
            tuple(estimate.pitch_confidence for estimate, _ in self.placed),
            self.envelope_errors,
            passage,
            last_note_released=last.end - last.off >= 0.02 * self.rate,
            nonharmonic_ratio=nonharmonic_power_ratio(features.long_BGC, passage.notes, self.rate),
            misfit_db=self.misfit_db,
            runner_up=to_envelope(from_units(self.runner_up.units_P)) if self.runner_up else None,
            runner_up_misfit_db=self.runner_up.misfit_db if self.runner_up else 0.0,
        )


def _relative(note_spans: Sequence[Span], start: int) -> list[Span]:
    """Returns spans in samples from `start`."""
    return [Span(*(value - start for value in span)) for span in note_spans]
