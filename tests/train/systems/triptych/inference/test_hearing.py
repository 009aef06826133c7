"""What the codec hears: notes read of logits, their loudness, the octave, envelopes fitted to levels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from manifests.synthesis import compose
from manifests.synthesis.octaves import median_pitch
from manifests.types import Envelope, Note
from tests.support.synthetic_dataset import CUT_FADE_MS, make_envelope, make_phrase
from tests.support.training.tiny_codec import RATE, clip
from train.nn.gain import envelope_batch, note_batch
from train.systems.triptych.inference import analysis
from train.systems.triptych.inference.analysis import loudness
from train.systems.triptych.inference.envelope_fit import fit_envelopes
from train.systems.triptych.inference.nonharmonic import unexplained
from train.systems.triptych.networks.encoder import NoteLogits
from train.systems.triptych.networks.envelope_head import from_units, to_units
from train.systems.triptych.networks.features import HOP, features, octave_traits
from train.systems.triptych.networks.note_head import (
    STEP,
    event_targets,
    note_losses,
    read_notes,
    subframe_places,
)
from train.systems.triptych.networks.pitch_path import in_one_octave, likeliest


def test_notes_that_could_be_in_two_octaves_are_read_in_one() -> None:
    """And a leap that is clearly heard stays."""
    melody, said = [40, 44, 42, 45, 43], np.full((5, 88), -9.0, dtype=np.float32)
    said[np.arange(5), melody] = np.log([0.45, 0.55, 0.45, 0.55, 0.45])
    said[np.arange(5), np.add(melody, 12)] = np.log([0.55, 0.45, 0.55, 0.45, 0.55])
    assert [int(row.argmax()) - pitch for row, pitch in zip(said, melody, strict=True)] == [12, 0, 12, 0, 12]
    assert likeliest(said) in (melody, [pitch + 12 for pitch in melody])
    leaping = [40, 64, 30, 30, 80]
    clear = np.full((5, 88), -5.0, dtype=np.float32)
    clear[np.arange(5), leaping] = -0.05
    assert likeliest(clear) == leaping
    assert likeliest(clear[:1]) == [40]


def test_notes_of_one_timbre_are_read_in_one_octave_however_they_leap() -> None:
    """What stands between the harmonics of a candidate tells which of two octaves all notes are in."""
    melody, said = [40, 52, 41, 57, 45], np.full((5, 88), -9.0, dtype=np.float32)
    said[np.arange(5), melody] = np.log([0.9, 0.2, 0.9, 0.2, 0.9])
    said[np.arange(5), np.add(melody, 12)] = np.log([0.1, 0.8, 0.1, 0.8, 0.1])
    traits = np.zeros((5, 88, 2), dtype=np.float32)
    traits[np.arange(5), melody] = (-0.8, 0.1)
    traits[np.arange(5), np.add(melody, 12)] = (0.0, 0.1)
    assert likeliest(said) == [40, 64, 41, 69, 45]
    assert in_one_octave(said, traits) == melody
    assert in_one_octave(said, np.zeros_like(traits)) == likeliest(said)


@torch.no_grad()
def test_perfect_logits_are_read_as_the_notes() -> None:
    for index in range(6):
        audio, notes, _ = clip(index, 3.0)
        batch = note_batch([notes], RATE, len(audio))
        seen = features(torch.from_numpy(audio)[None], RATE)
        count = seen.mel_BFM.shape[1] * 4
        near_on, shift_on = event_targets(batch.onset_BN, batch.mask_BN, count)
        near_off, shift_off = event_targets(batch.off_BN, batch.mask_BN, count)
        pitch = torch.full((1, seen.long_BGC.shape[1], 88), -9.0)
        for note in notes:
            first, last = (round(s * RATE / 1024) for s in (note.onset, note.off))
            pitch[0, first : last + 1, note.pitch - 21] = 9.0
        logits = NoteLogits(
            near_on.logit(1e-4), shift_on, near_off.logit(1e-4), shift_off, torch.zeros(1, count // 4), pitch
        )
        traits = octave_traits(seen.stack_HPN)
        read = read_notes(logits, 0, traits, seen.level_BL[0], 64, RATE, len(audio))
        assert len(read) == len(notes)
        for (ours, sure), theirs in zip(read, notes, strict=True):
            assert sure > 0.85
            assert ours.pitch == theirs.pitch
            assert ours.onset == pytest.approx(theirs.onset, abs=0.0011)
            assert ours.off == pytest.approx(theirs.off, abs=0.0035)
        losses = note_losses(logits, batch)
        assert float(losses["onset_shift"]) < 1e-3
        assert float(losses["pitch"]) < 0.2
    assert float(subframe_places(8, torch.device("cpu"))[4:].mean()) == HOP
    assert STEP == 128


@torch.no_grad()
def test_loudness_of_notes_is_their_velocity() -> None:
    audio, notes, envelope = clip(1, 3.0, timbre=4)
    seen = features(torch.from_numpy(audio)[None], RATE)
    found = loudness(seen.level_BL[0], note_batch([notes], RATE, len(audio)), envelope, RATE, CUT_FADE_MS)
    loudest = max(note.velocity for note in notes)
    for ours, theirs in zip((found / found.max()).tolist(), notes, strict=True):
        assert ours == pytest.approx(theirs.velocity / loudest, rel=0.15)


def test_a_tie_of_durations_does_not_change_the_octave() -> None:
    tie = (Note(0.0, 0.5, 54, 100), Note(0.5, 0.5, 70, 100))
    late = (Note(0.0, 0.499, 54, 100), Note(0.5, 0.503, 70, 100))
    assert analysis.heard_median(late) == analysis.heard_median(tie) == median_pitch(tie) == 54
    clear = (Note(0.0, 0.4, 54, 100), Note(0.5, 0.5, 70, 100))
    assert analysis.heard_median(clear) == median_pitch(clear) == 70


def test_what_is_long_is_heard_in_stretches_of_whole_notes() -> None:
    notes = tuple(
        Note(at, length, 60, 100) for at, length in ((1.0, 0.5), (2.0, 1.0), (4.0, 9.0), (14.0, 0.5))
    )
    played = [
        analysis.Played(*pair) for pair in zip(notes, compose.spans(notes, 1024, 15 * 1024), strict=True)
    ]
    found = analysis.stretches(played, 15 * 1024, 3 * 1024)
    assert [(part.first, part.last) for part in found] == [(0, 2), (2, 3), (3, 4)]
    assert [(part.start, part.stop) for part in found] == [(1024, 4096), (4096, 7168), (14336, 15360)]
    assert analysis.stretches(played, 15 * 1024, 15 * 1024) == [analysis.Stretch(0, 4, 0, 15 * 1024)]


def test_a_recording_that_is_cut_off_does_not_end_with_a_note() -> None:
    """What stops looks like an event; in the last 30 ms none is taken for an onset."""
    count = 4 * (RATE // HOP + 1)
    for last_s, expected in ((0.9, 2), (0.985, 1)):
        onsets = torch.tensor([[0.1, last_s]]) * RATE
        near, shift = event_targets(onsets, torch.ones(1, 2, dtype=torch.bool), count)
        quiet = torch.full((1, count), -9.0)
        pitch = torch.zeros(1, RATE // 1024 + 1, 88)
        logits = NoteLogits(near.logit(1e-4), shift, quiet, torch.zeros(1, count), quiet[:, ::4], pitch)
        level, traits = torch.ones(RATE // 64 + 1), torch.zeros(RATE // 1024 + 1, 88, 2)
        assert len(read_notes(logits, 0, traits, level, 64, RATE, RATE)) == expected


def test_a_second_voice_is_what_the_notes_do_not_explain() -> None:
    time = np.arange(RATE) / RATE
    notes = note_batch([(Note(0.0, 0.5, 60, 100), Note(0.5, 0.5, 64, 100))], RATE, RATE)

    def tone(pitch: float) -> np.ndarray:
        f0 = 440.0 * 2.0 ** ((pitch - 69) / 12.0)
        return np.asarray(sum(np.sin(2 * np.pi * k * f0 * time) / k for k in range(1, 9)), dtype=np.float32)

    line = np.where(time < 0.5, tone(60), tone(64)).astype(np.float32)
    for other, low, high in ((0.0, 0.0, 0.01), (1.0, 0.25, 0.55)):
        seen = features(torch.from_numpy(line + other * tone(66.5))[None], RATE)
        assert low <= unexplained(seen.long_BGC, notes, RATE) <= high
    short = note_batch([(Note(0.0, 0.05, 60, 100),)], RATE, RATE)
    assert unexplained(seen.long_BGC, short, RATE) == 0.0


def test_envelopes_survive_the_heads_units() -> None:
    envelopes = [make_envelope(2, index)[1] for index in range(8)] + [Envelope(0.0, 0.0, 0.0, 0.0)]
    back = from_units(to_units(envelope_batch(envelopes)))
    for index, envelope in enumerate(envelopes):
        ours = analysis.to_envelope(type(back)(*(value[index] for value in back)))
        for name in ("attack_ms", "hold_ms", "decay_ms", "sustain", "release_ms"):
            assert getattr(ours, name) == pytest.approx(getattr(envelope, name), rel=1e-3, abs=1e-3)


def test_fitting_finds_the_envelopes_of_a_batch_from_rough_guesses() -> None:
    phrases, envelopes = ([make(11, index) for index in range(4)] for make in (
        lambda seed, index: make_phrase(seed, index, 3.0), lambda seed, index: make_envelope(seed, index)[1]
    ))  # fmt: skip
    tone = np.sin(2.0 * np.pi * 331.0 * np.arange(3 * RATE) / RATE).astype(np.float32)
    steady = np.stack(
        [
            tone * compose.gain(n, e, RATE, 3 * RATE, CUT_FADE_MS)
            for n, e in zip(phrases, envelopes, strict=True)
        ]
    )
    level = features(torch.from_numpy(steady), RATE).level_BL
    rough = [
        Envelope(
            e.attack_ms * 1.5, e.decay_ms * 0.7, min(e.sustain + 0.1, 1.0), e.release_ms * 1.4, e.hold_ms + 10
        )
        for e in envelopes
    ]
    batch = note_batch(phrases, RATE, 3 * RATE)
    guess, true = (to_units(envelope_batch(some)) for some in (rough, envelopes))
    fitted = fit_envelopes(level, batch, guess, RATE, CUT_FADE_MS)
    errors = (fitted.units_BP - true).abs()
    assert (errors.mean(1) < 0.5 * (guess - true).abs().mean(1)).all()
    assert (fitted.off_BN <= batch.end_BN).all()
    attack, _, _, sustain, _, _ = errors.median(0).values.tolist()
    assert attack < 0.02  # of a logarithm: 2%
    assert sustain < 0.005 * 4.0
    alone = fit_envelopes(level[2:3], note_batch(phrases[2:3], RATE, 3 * RATE), guess[2:3], RATE, CUT_FADE_MS)
    torch.testing.assert_close(alone.units_BP[0], fitted.units_BP[2], atol=2e-3, rtol=2e-3)
