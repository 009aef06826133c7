"""Note-offs that are lost cost no other note."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from midi.pairing import HANGING, LONGEST_NOTE_S, LOST, TickNote, pair_notes
from midi.smf import NoteEvent
from tests.support.properties import same_examples

TICKS_PER_S = 100


def seconds(tick: int) -> float:
    return tick / TICKS_PER_S


def events(notes: list[TickNote]) -> list[NoteEvent]:
    """Returns the events of notes in order, note-offs first."""
    timed = [(start, 1, NoteEvent(start, 0, pitch, velocity)) for start, _, pitch, velocity in notes]
    timed += [(end, 0, NoteEvent(end, 0, pitch, 0)) for _, end, pitch, _ in notes]
    return [event for _, _, event in sorted(timed, key=lambda one: one[:2])]


def pair(
    made: list[NoteEvent], end: int = 0, silenced: tuple[int, ...] = ()
) -> tuple[list[TickNote], Counter[str]]:
    repairs: Counter[str] = Counter()
    last = max([end, *(event.tick for event in made)])
    return pair_notes(made, silenced, last, seconds, repairs), repairs


def tune(count: int, pitches: tuple[int, ...] = (60, 62, 64)) -> list[TickNote]:
    return [(50 * k, 50 * k + 40, pitches[k % len(pitches)], 80) for k in range(count)]


@st.composite
def melodies(draw: st.DrawFn) -> list[TickNote]:
    """Draws notes one after another, with few pitches, so that they meet again."""
    notes, at = [], 0
    for pitch, length, rest in draw(
        st.lists(st.tuples(st.integers(60, 62), st.integers(10, 200), st.integers(0, 100)), min_size=2)
    ):
        notes.append((at, at + length, pitch, 80))
        at += length + rest
    return notes


@same_examples
@given(melodies())
def test_whole_melodies_are_paired_without_repair(notes: list[TickNote]) -> None:
    assert pair(events(notes)) == (notes, Counter())


@same_examples
@given(melodies(), st.data())
def test_a_lost_note_off_costs_no_other_note(notes: list[TickNote], data: st.DataObject) -> None:
    lost = data.draw(st.sampled_from(notes))
    made = [
        event for event in events(notes) if (event.tick, event.pitch, event.velocity) != (lost[1], lost[2], 0)
    ]
    paired, repairs = pair(made, end=notes[-1][1])
    assert [note for note in paired if note[0] != lost[0]] == [note for note in notes if note != lost]
    (repaired,) = [note for note in paired if note[0] == lost[0]]
    following = min((note[0] for note in notes if note[0] > lost[0]), default=notes[-1][1])
    assert repaired == (lost[0], following, lost[2], lost[3])
    assert repairs == {LOST: 1}


def test_one_hung_note_does_not_cost_a_tune() -> None:
    notes = tune(400)
    hung = NoteEvent(0, 0, 100, 80)
    paired, repairs = pair([hung, *events(notes)])
    assert [note for note in paired if note[2] != 100] == notes
    assert (0, 50, 100, 80) in paired
    assert repairs == {LOST: 1}


def test_a_note_off_that_comes_when_all_is_over_leaves_the_tune() -> None:
    notes = tune(400)
    end = notes[-1][1]
    assert seconds(end) > LONGEST_NOTE_S
    paired, repairs = pair([NoteEvent(0, 0, 100, 80), *events(notes), NoteEvent(end, 0, 100, 0)])
    assert [note for note in paired if note[2] != 100] == notes
    assert repairs == {HANGING: 1}


def test_overlapping_notes_of_a_pitch_end_at_the_next_onset() -> None:
    made = [NoteEvent(*of) for of in ((0, 0, 60, 80), (50, 0, 60, 81), (55, 0, 60, 0), (90, 0, 60, 0))]
    assert pair(made)[0] == [(0, 50, 60, 80), (50, 90, 60, 81)]


def test_legato_notes_of_a_pitch_stay_whole_where_one_note_off_is_lost() -> None:
    made = [
        NoteEvent(*of)
        for k in range(6)
        for of in ((100 * k, 0, 60, 80), *([(100 * k + 3, 0, 60, 0)] if k else []))
    ]
    assert [note[:2] for note in pair(made, end=600)[0]] == [(100 * k, 100 * k + 100) for k in range(6)]


def test_all_notes_off_ends_notes_without_note_off() -> None:
    made = [NoteEvent(0, 0, 60, 80), NoteEvent(100, 0, 62, 80), NoteEvent(150, 0, 62, 0)]
    assert pair(made, silenced=(30,))[0] == [(0, 30, 60, 80), (100, 150, 62, 80)]


def test_a_note_off_before_any_note_is_none() -> None:
    assert pair([NoteEvent(5, 0, 60, 0), *events([(10, 20, 60, 80)])]) == ([(10, 20, 60, 80)], Counter())
