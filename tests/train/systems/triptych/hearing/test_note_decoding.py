"""Decoding: perfect logits give the notes that they were made of."""

from __future__ import annotations

import pytest
import torch

from tests.support.training.tiny_codec import RATE, make_clip
from train.nn.gain import note_batch
from train.systems.triptych.hearing.note_decoding import NoteDecoder
from train.systems.triptych.hearing.recording import EncodedRecording
from train.systems.triptych.networks.encoder import NoteLogits
from train.systems.triptych.networks.features import HOP, extract_features, octave_traits
from train.systems.triptych.networks.note_head import (
    SUBFRAME_HOP,
    event_targets,
    note_losses,
    subframe_times,
)


@torch.no_grad()
def test_perfect_logits_decode_to_the_notes() -> None:
    for index in range(6):
        audio, notes, _ = make_clip(index, 3.0)
        batch = note_batch([notes], RATE, len(audio))
        spectra = extract_features(torch.from_numpy(audio)[None], RATE)
        count = spectra.mel_BFM.shape[1] * 4
        near_on, shift_on = event_targets(batch.onset_BN, batch.mask_BN, count)
        near_off, shift_off = event_targets(batch.off_BN, batch.mask_BN, count)
        pitch = torch.full((1, spectra.long_BGC.shape[1], 88), -9.0)
        for note in notes:
            first, last = (round(s * RATE / 1024) for s in (note.onset, note.off))
            pitch[0, first : last + 1, note.pitch - 21] = 9.0
        logits = NoteLogits(
            near_on.logit(1e-4), shift_on, near_off.logit(1e-4), shift_off, torch.zeros(1, count // 4), pitch
        )
        traits = octave_traits(spectra.stack_HPN)
        encoded = EncodedRecording(logits, traits, spectra.level_BL[0], spectra)
        decoder = NoteDecoder(encoded, RATE, len(audio))
        read = decoder.decode(decoder.onsets())
        assert len(read) == len(notes)
        for estimate, expected in zip(read, notes, strict=True):
            actual = estimate.note
            assert estimate.pitch_confidence > 0.85
            assert actual.pitch == expected.pitch
            assert actual.onset == pytest.approx(expected.onset, abs=0.0011)
            assert actual.off == pytest.approx(expected.off, abs=0.0035)
        losses = note_losses(logits, batch)
        assert float(losses["onset_shift"]) < 1e-3
        assert float(losses["pitch"]) < 0.2
    assert float(subframe_times(8, torch.device("cpu"))[4:].mean()) == HOP
    assert SUBFRAME_HOP == 128


def test_a_recording_that_is_cut_off_does_not_end_with_a_note() -> None:
    """A cut-off looks like an event; no onset is detected in the last 30 ms."""
    count = 4 * (RATE // HOP + 1)
    for last_s, expected in ((0.9, 2), (0.985, 1)):
        onsets = torch.tensor([[0.1, last_s]]) * RATE
        near, shift = event_targets(onsets, torch.ones(1, 2, dtype=torch.bool), count)
        quiet = torch.full((1, count), -9.0)
        pitch = torch.zeros(1, RATE // 1024 + 1, 88)
        logits = NoteLogits(near.logit(1e-4), shift, quiet, torch.zeros(1, count), quiet[:, ::4], pitch)
        level, traits = torch.ones(RATE // 64 + 1), torch.zeros(RATE // 1024 + 1, 88, 2)
        decoder = NoteDecoder(EncodedRecording(logits, traits, level, None), RATE, RATE)
        assert len(decoder.decode(decoder.onsets())) == expected


def test_any_subset_of_onsets_can_be_decoded() -> None:
    count = 4 * (RATE // HOP + 1)
    near, shift = event_targets(torch.tensor([[0.1, 0.5]]) * RATE, torch.ones(1, 2, dtype=torch.bool), count)
    quiet = torch.full((1, count), -9.0)
    pitch = torch.zeros(1, RATE // 1024 + 1, 88)
    pitch[0, :20, 30], pitch[0, 20:, 40] = 9.0, 9.0
    logits = NoteLogits(near.logit(1e-4), shift, quiet, torch.zeros(1, count), quiet[:, ::4], pitch)
    level, traits = torch.ones(RATE // 64 + 1), torch.zeros(RATE // 1024 + 1, 88, 2)
    decoder = NoteDecoder(EncodedRecording(logits, traits, level, None), RATE, RATE)
    first, second = decoder.onsets()
    assert [estimate.note.pitch for estimate in decoder.decode([first, second])] == [51, 61]
    (alone,) = decoder.decode([first])
    assert alone.pitch_log_probability < -2.0  # half of its frames have another pitch
    assert decoder.decode([]) == []
    (cut,) = decoder.decode([second], stop=round(0.8 * RATE))
    assert cut.note.off <= 0.8
