"""Styles of generated phrases: registers, staccato and repeated notes, beside the phrases of before."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from pydantic import ValidationError

from manifests.synthesis.octaves import median_pitch, octave_of, transpose
from manifests.types import Notes, check_notes
from midi.clusters import intervals
from midi.generate import GenerateSpec, Observability, generate_phrase

PLUCK = Observability(longest_settle_ms=270.0, longest_release_ms=120.0)


def phrases(count: int = 200, **settings: object) -> list[Notes]:
    spec = GenerateSpec(**settings)  # type: ignore[arg-type]
    return [generate_phrase(3, index, spec, 3.0, PLUCK) for index in range(count)]


def test_a_register_transposes_the_phrase_and_changes_nothing_else() -> None:
    written, moved = phrases(), phrases(register=(-2, 1))
    octaves = [octave_of(median_pitch(notes)) for notes in moved]
    assert all(transpose(a, 12 * o) == b for a, o, b in zip(written, octaves, moved, strict=True))
    assert all(octaves.count(octave) > 25 for octave in (-2, -1, 0, 1))
    assert set(octaves) == {-2, -1, 0, 1}
    low, high = GenerateSpec(register=(-2, 1)).written_range()
    assert all(low <= note.pitch <= high for notes in moved for note in notes)


def test_staccato_phrases_keep_their_onsets_and_their_long_note() -> None:
    tied, short = phrases(), phrases(staccato=0.5)
    changed = [(a, b) for a, b in zip(tied, short, strict=True) if a != b]
    assert 70 < len(changed) < 130
    shares = []
    for before, after in changed:
        assert check_notes(after, 3.0) == after
        # The median pitch that sets the octave is weighted by duration, so the octave may differ.
        assert [(n.onset, n.velocity) for n in before] == [(n.onset, n.velocity) for n in after]
        assert intervals(before) == intervals(after)
        assert max(n.duration for n in after) >= PLUCK.settle_s - 1e-6
        assert min(n.duration for n in after) >= 0.0399
        shares += [
            note.duration / (following.onset - note.onset)
            for note, following in pairwise(after)
            if note.duration < PLUCK.settle_s - 1e-6
        ]
    assert min(shares) >= 0.1499
    assert max(shares) <= 0.5001
    assert 0.28 < np.mean(shares) < 0.38


def test_notes_repeat_as_often_as_asked() -> None:
    def share_of_repeats(some: list[Notes]) -> float:
        return float(np.mean([a.pitch == b.pitch for notes in some for a, b in pairwise(notes)]))

    assert share_of_repeats(phrases()) < 0.15
    assert 0.35 < share_of_repeats(phrases(repeats=0.5)) < 0.6


def test_defaults_are_left_out_of_plain_data_and_others_are_read_back() -> None:
    plain = GenerateSpec().model_dump(mode="json")
    assert set(plain) == {
        "lowest_pitch", "highest_pitch", "notes", "grid_s", "velocity", "legato", "scales",
    }  # fmt: skip
    spec = GenerateSpec(register=(-1, 1), repeats=0.1)
    plain = spec.model_dump(mode="json")
    assert plain["register"] == [-1, 1]
    assert GenerateSpec.model_validate(plain) == spec
    assert GenerateSpec.model_validate({"register": 1}).registers == (1, 1)


@pytest.mark.parametrize("register", [(1, -1), (-5, 0), (0, 5)])
def test_registers_out_of_order_or_beyond_midi_are_refused(register: tuple[int, int]) -> None:
    with pytest.raises(ValidationError, match=r"register: expected \[lowest, highest\] octave"):
        GenerateSpec(register=register)
