"""Transcription: the notes of a phrase, and their pitches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from manifests.synthesis.compose import gain
from manifests.types import Envelope, Note
from tests.support.sounds import RATE, harmonic, play_phrase
from train.metrics.features import AudioFeatures
from train.metrics.transcribe import note_pitch, transcribe


def test_notes_are_read_off_a_phrase() -> None:
    envelope = Envelope(attack_ms=10, decay_ms=100, sustain=0.6, release_ms=50)
    for phrase in (0, 2):
        sound, notes = play_phrase(1, phrase, envelope)
        notes_found = transcribe(AudioFeatures(sound, RATE))
        assert [n.pitch for n in notes_found] == [n.pitch for n in notes]
        assert [n.onset for n in notes_found] == pytest.approx([n.onset for n in notes], abs=0.02)
    assert transcribe(AudioFeatures(np.zeros(RATE), RATE)) == ()
    assert transcribe(AudioFeatures(np.zeros(10), RATE)) == ()


def test_repeated_decaying_notes_last_until_the_next() -> None:
    pluck = Envelope(attack_ms=5, decay_ms=120, sustain=0.0, release_ms=40)
    organ = Envelope(attack_ms=5, decay_ms=0, sustain=1.0, release_ms=60)
    onsets, ends = (0.0, 0.4, 0.6, 1.2, 1.5), (0.4, 0.6, 1.2, 1.5, 2.0)
    legato = tuple(Note(a, b - a, 57 + k, 100) for k, (a, b) in enumerate(zip(onsets, ends, strict=True)))
    short = tuple(replace(note, duration=0.12) for note in legato)
    tones = [
        harmonic(220.0 * 2 ** (k / 12), b - a) for k, (a, b) in enumerate(zip(onsets, ends, strict=True))
    ]
    for envelope, notes in ((pluck, legato), (organ, short)):
        sound = gain(notes, envelope, RATE, 2 * RATE, 5.0) * np.concatenate(tones)
        notes_found = transcribe(AudioFeatures(sound, RATE))
        assert [n.duration for n in notes_found] == pytest.approx([n.duration for n in notes], abs=0.04)
        assert [n.pitch for n in notes_found] == [57, 58, 59, 60, 61]


def test_octave_errors_of_the_tracker_do_not_move_a_note() -> None:
    assert note_pitch(np.array([63.1, 87.0, 87.1, 86.9, 87.0, 62.9, 75.0]), 64.0) == 63
    assert note_pitch(np.array([63.0] * 9 + [51.0]), 50.0) == 63, "a slip now and then is none"
