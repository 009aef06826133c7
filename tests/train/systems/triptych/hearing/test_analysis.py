"""Analysis of a recording: loudness of notes, its octave, and long recordings in pieces."""

from __future__ import annotations

import pytest
import torch

from manifests.synthesis import compose
from manifests.synthesis.octaves import median_pitch
from manifests.types import Note
from tests.support.synthetic_dataset import CUT_FADE_MS
from tests.support.training.tiny_codec import RATE, make_clip
from train.nn.gain import note_batch
from train.systems.triptych.hearing.analysis_result import robust_median_pitch
from train.systems.triptych.hearing.segments import Segment, split_segments
from train.systems.triptych.hearing.velocities import note_loudness
from train.systems.triptych.networks.features import extract_features


@torch.no_grad()
def test_loudness_of_notes_is_their_velocity() -> None:
    audio, notes, envelope = make_clip(1, 3.0, timbre=4)
    spectra = extract_features(torch.from_numpy(audio)[None], RATE)
    measured = note_loudness(
        spectra.level_BL[0], note_batch([notes], RATE, len(audio)), envelope, RATE, CUT_FADE_MS
    )
    loudest = max(note.velocity for note in notes)
    for actual, theirs in zip((measured / measured.max()).tolist(), notes, strict=True):
        assert actual == pytest.approx(theirs.velocity / loudest, rel=0.15)


def test_a_tie_of_durations_does_not_change_the_octave() -> None:
    tie = (Note(0.0, 0.5, 54, 100), Note(0.5, 0.5, 70, 100))
    late = (Note(0.0, 0.499, 54, 100), Note(0.5, 0.503, 70, 100))
    assert robust_median_pitch(late) == robust_median_pitch(tie) == median_pitch(tie) == 54
    clear = (Note(0.0, 0.4, 54, 100), Note(0.5, 0.5, 70, 100))
    assert robust_median_pitch(clear) == median_pitch(clear) == 70


def test_long_recordings_are_analysed_in_stretches_of_whole_notes() -> None:
    notes = tuple(
        Note(at, length, 60, 100) for at, length in ((1.0, 0.5), (2.0, 1.0), (4.0, 9.0), (14.0, 0.5))
    )
    placed = compose.spans(notes, 1024, 15 * 1024)
    segments = split_segments(placed, 15 * 1024, 3 * 1024)
    assert segments == [Segment(1024, 4096), Segment(4096, 7168), Segment(14336, 15360)]
    assert split_segments(placed, 15 * 1024, 15 * 1024) == [Segment(0, 15 * 1024)]
