"""Rhythm: envelopes retimed onto another clip's notes, measured gates, the sustain mask."""

from __future__ import annotations

import numpy as np

from manifests.types import Note
from tests.support.training.baseline_systems import RATE
from train.systems.synthcloner.rhythm import Gate, estimate_gates, note_gates, retime_frames, sustain_mask


def test_an_envelope_is_retimed_onto_another_rhythm() -> None:
    """A donor of one long note, a target of two: each note gets its attack, sustain and release."""
    level = np.concatenate([[-5.0] * 4, np.linspace(-2, -1, 10), [-1.0] * 10, np.linspace(-1, -4, 8)])
    donor = [Gate(4, 24, 32)]
    target = [Gate(2, 8, 12), Gate(12, 42, 60)]
    index = retime_frames(target, donor, level.astype(np.float32), 60)
    np.testing.assert_array_equal(index[:2], [0, 0])
    np.testing.assert_array_equal(index[2:8], range(4, 10))
    np.testing.assert_array_equal(index[8:12], range(24, 28))
    np.testing.assert_array_equal(index[12:32], range(4, 24))
    assert set(index[32:42]) == {23}
    np.testing.assert_array_equal(index[42:50], range(24, 32))
    assert set(index[50:]) == {31}


def test_a_clip_of_its_own_rhythm_keeps_its_frames() -> None:
    notes = (Note(0.1, 0.3, 60, 100),)
    (gate,) = note_gates(notes, RATE, RATE, 512)
    index = retime_frames([gate], [gate], np.linspace(0, -1, 86).astype(np.float32), 86)
    np.testing.assert_array_equal(index[gate.onset : gate.end], range(gate.onset, gate.end))


def test_gates_are_estimated_from_level_and_onsets() -> None:
    level = np.full(60, -4.0, dtype=np.float32)
    level[5:20], level[30:50] = -1.0, -1.2
    onset = np.zeros(60, dtype=np.float32)
    onset[[5, 30]], onset[6] = 0.9, 0.6
    assert estimate_gates(level, onset) == [Gate(5, 20, 30), Gate(30, 50, 60)]
    assert estimate_gates(level, np.zeros(60, dtype=np.float32))[0].onset == 0


def test_the_sustain_mask_makes_no_click() -> None:
    notes = (Note(0.1, 0.4, 60, 100), Note(0.6, 0.05, 62, 100))
    mask = sustain_mask(notes, RATE, RATE, 58.0, 5.0)
    assert mask[round(0.3 * RATE)] == 0.0
    assert mask[: round(0.158 * RATE)].min() == 1.0
    # A note too short for the mask is kept unmasked; the others fade within 5 ms.
    assert mask[round(0.5 * RATE) :].min() == 1.0
    assert np.abs(np.diff(mask)).max() < np.pi / (0.005 * RATE)
