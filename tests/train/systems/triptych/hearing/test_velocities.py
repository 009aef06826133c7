"""Velocities: those that were played are told from a timbre's own levels over pitch."""

from __future__ import annotations

from manifests.types import Note, Notes
from train.systems.triptych.hearing.velocities import has_played_velocities, played_velocities


def tune(*notes: tuple[int, int]) -> Notes:
    """Makes quarter-second notes of (pitch, velocity)."""
    return tuple(Note(0.25 * place, 0.25, pitch, velocity) for place, (pitch, velocity) in enumerate(notes))


def test_only_a_pitch_that_recurs_tells_velocities_from_levels() -> None:
    assert has_played_velocities(tune((60, 100), (62, 80))) is False
    assert has_played_velocities(tune((60, 100), (62, 80), (60, 98))) is False
    assert has_played_velocities(tune((60, 100), (62, 80), (60, 70))) is True


def test_velocities_that_were_played_are_kept() -> None:
    notes = tune((60, 100), (62, 80), (60, 70))
    assert played_velocities(notes) == notes


def test_levels_over_pitch_are_not_velocities() -> None:
    for notes in (tune((60, 100), (62, 80)), tune((60, 127), (70, 64), (60, 127), (70, 64))):
        assert {note.velocity for note in played_velocities(notes)} == {127}
