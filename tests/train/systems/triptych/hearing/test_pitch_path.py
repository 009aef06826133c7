"""Melody decoding: notes that could be in two octaves are read in one."""

from __future__ import annotations

import numpy as np

from train.systems.triptych.hearing.pitch_path import decode_pitches, viterbi_path


def test_octave_ambiguous_notes_are_decoded_in_one_octave() -> None:
    """A clearly detected leap stays."""
    melody, logits = [40, 44, 42, 45, 43], np.full((5, 88), -9.0, dtype=np.float32)
    logits[np.arange(5), melody] = np.log([0.45, 0.55, 0.45, 0.55, 0.45])
    logits[np.arange(5), np.add(melody, 12)] = np.log([0.55, 0.45, 0.55, 0.45, 0.55])
    assert [int(row.argmax()) - pitch for row, pitch in zip(logits, melody, strict=True)] == [
        12,
        0,
        12,
        0,
        12,
    ]
    assert viterbi_path(logits) in (melody, [pitch + 12 for pitch in melody])
    leaping = [40, 64, 30, 30, 80]
    clear = np.full((5, 88), -5.0, dtype=np.float32)
    clear[np.arange(5), leaping] = -0.05
    assert viterbi_path(clear) == leaping
    assert viterbi_path(clear[:1]) == [40]


def test_leaping_notes_of_one_timbre_are_decoded_in_one_octave() -> None:
    """Power between the harmonics of a candidate decides the octave of all notes."""
    melody, logits = [40, 52, 41, 57, 45], np.full((5, 88), -9.0, dtype=np.float32)
    logits[np.arange(5), melody] = np.log([0.9, 0.2, 0.9, 0.2, 0.9])
    logits[np.arange(5), np.add(melody, 12)] = np.log([0.1, 0.8, 0.1, 0.8, 0.1])
    traits = np.zeros((5, 88, 2), dtype=np.float32)
    traits[np.arange(5), melody] = (-0.8, 0.1)
    traits[np.arange(5), np.add(melody, 12)] = (0.0, 0.1)
    assert viterbi_path(logits) == [40, 64, 41, 69, 45]
    assert decode_pitches(logits, traits) == melody
    assert decode_pitches(logits, np.zeros_like(traits)) == viterbi_path(logits)
