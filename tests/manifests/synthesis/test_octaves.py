"""Registers: phrases move by whole octaves into the octave of a median pitch."""

from __future__ import annotations

import pytest

from manifests.synthesis import octaves as register
from manifests.types import Note


@pytest.mark.parametrize("pitch", range(30, 100))
def test_the_register_is_one_octave_and_moves_by_octaves(pitch: int) -> None:
    moved, shift = register.to_register([Note(0, 1, pitch, 100), Note(1, 0.5, pitch + 4, 100)])
    assert 56 <= register.median_pitch(moved) <= 67
    assert shift % 12 == 0
    assert register.octave_of(pitch) == -shift // 12


def test_the_median_pitch_is_weighted_by_duration() -> None:
    assert register.median_pitch([Note(0, 0.1, 40, 1), Note(1, 0.1, 41, 1), Note(2, 1.0, 70, 1)]) == 70
