"""Velocities: those that were played are told from a timbre's own levels over pitch."""

from __future__ import annotations

from manifests.types import Note, Notes
from train.systems.triptych.hearing.velocities import has_played_velocities, transferred_velocities


def tune(*notes: tuple[int, int]) -> Notes:
    """Makes quarter-second notes of (pitch, velocity)."""
    return tuple(Note(0.25 * place, 0.25, pitch, velocity) for place, (pitch, velocity) in enumerate(notes))


def test_only_a_pitch_that_recurs_tells_velocities_from_levels() -> None:
    assert has_played_velocities(tune((60, 100), (62, 80))) is None
    assert has_played_velocities(tune((60, 100), (62, 80), (60, 98))) is False
    assert has_played_velocities(tune((60, 100), (62, 80), (60, 70))) is True


def test_velocities_that_were_played_are_kept() -> None:
    source = tune((60, 100), (62, 80), (60, 70))
    assert transferred_velocities(source, tune((60, 127), (70, 40))) == source


def test_levels_of_the_source_are_not_copied() -> None:
    equal = transferred_velocities(tune((60, 100), (62, 80)), tune((60, 127), (70, 40)))
    assert [note.velocity for note in equal] == [127, 127]


def test_levels_over_pitch_of_the_reference_apply_if_they_recur() -> None:
    reference = tune((60, 127), (70, 64), (60, 127), (70, 64))
    played = transferred_velocities(tune((60, 90), (65, 100), (72, 127)), reference)
    assert [note.velocity for note in played] == [127, 90, 64]
