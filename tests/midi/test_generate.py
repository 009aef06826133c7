"""Generated phrases meet every constraint, for hundreds of seeds."""

from itertools import pairwise

import numpy as np
import pytest
from pydantic import ValidationError

from manifests.splits.seeds import permutation
from manifests.synthesis.octaves import median_pitch
from manifests.types import InputError, Note, Notes, check_notes
from midi.clusters import phrase_clusters
from midi.generate import GenerateSpec, Observability, generate_phrase, generate_phrases

LEAD = Observability(longest_settle_ms=600.0, longest_release_ms=300.0)
PLUCK = Observability(longest_settle_ms=270.0, longest_release_ms=120.0)


def rest_seconds(notes: Notes) -> list[float]:
    """Returns the seconds from each note-off to the next onset."""
    return [after.onset - before.off for before, after in pairwise(notes)]


@pytest.mark.parametrize(
    ("observe", "spec", "seconds"),
    [
        (LEAD, GenerateSpec(), 3.0),
        (PLUCK, GenerateSpec(), 3.0),
        (PLUCK, GenerateSpec(notes=(3, 16), grid_s=0.13, legato=0.3), 2.5),
        (LEAD, GenerateSpec(notes=(2, 4), lowest_pitch=55, highest_pitch=69, velocity=(1, 127)), 2.1),
    ],
)
def test_500_phrases_meet_every_constraint(
    observe: Observability, spec: GenerateSpec, seconds: float
) -> None:
    phrases = generate_phrases(3, 500, spec, seconds, observe)
    for notes in phrases:
        assert check_notes(notes, seconds) == notes
        assert spec.notes[0] <= len(notes) <= spec.notes[1]
        assert all(spec.lowest_pitch <= n.pitch <= spec.highest_pitch for n in notes)
        assert all(spec.velocity[0] <= n.velocity <= spec.velocity[1] for n in notes)
        assert 56 <= median_pitch(notes) <= 67
        assert all(abs(n.onset / spec.grid_s - round(n.onset / spec.grid_s)) < 1e-4 for n in notes)
        assert max(n.duration for n in notes) >= observe.longest_settle_ms / 1000
        assert max(rest_seconds(notes)) >= observe.longest_release_ms / 1000
        assert notes[-1].off <= seconds - observe.longest_release_ms / 1000
        assert min(n.duration for n in notes) >= 0.0999
    assert len(set(phrase_clusters(phrases))) == 500


def test_phrases_are_varied_and_mostly_legato() -> None:
    phrases = generate_phrases(0, 400, GenerateSpec(), 3.0, PLUCK)
    assert {len(notes) for notes in phrases} == set(range(5, 11))
    gaps = np.array([gap for notes in phrases for gap in rest_seconds(notes)])
    assert 0.5 < np.mean(gaps < 1e-6) < 0.9
    steps = np.array([abs(b.pitch - a.pitch) for n in phrases for a, b in pairwise(n)])
    assert np.mean((steps >= 1) & (steps <= 2)) > 0.35, "mostly steps"
    assert 0.02 < np.mean(steps >= 5) < 0.4, "some leaps"
    velocities = [[n.velocity for n in notes] for notes in phrases]
    assert all(len(set(v)) > 1 for v in velocities)
    rhythms = {tuple((n.onset, round(n.duration, 3)) for n in notes) for notes in phrases}
    assert len(rhythms) > 300


def test_a_phrase_alone_equals_the_one_in_the_set_in_any_order() -> None:
    spec = GenerateSpec()
    phrases = generate_phrases(11, 60, spec, 3.0, LEAD)
    for index in permutation(5, 60, "order").tolist():
        assert generate_phrase(11, index, spec, 3.0, LEAD) == phrases[index]
    assert generate_phrase(12, 17, spec, 3.0, LEAD) != phrases[17]


def test_more_phrases_keep_the_earlier_ones_and_collisions_are_redrawn() -> None:
    # Three notes with few possible phrases: draws repeat, the set has no duplicates.
    spec = GenerateSpec(notes=(2, 2), lowest_pitch=56, highest_pitch=67, grid_s=0.5)
    many = generate_phrases(1, 60, spec, 1.5, PLUCK)
    assert many[:40] == generate_phrases(1, 40, spec, 1.5, PLUCK)
    assert len(set(phrase_clusters(many))) == 60
    alone = [generate_phrase(1, i, spec, 1.5, PLUCK) for i in range(60)]
    assert len(set(phrase_clusters(alone))) < 60, "the set had collisions to redraw"


def test_an_exhausted_config_is_refused() -> None:
    spec = GenerateSpec(notes=(2, 2), lowest_pitch=56, highest_pitch=67, grid_s=0.5)
    with pytest.raises(InputError, match=r"no new melody for phrase \d+ within pitches 56\.\.67"):
        generate_phrases(1, 100_000, spec, 1.5, PLUCK)


def test_impossible_envelopes_are_refused_with_the_arithmetic() -> None:
    with pytest.raises(InputError) as caught:
        generate_phrase(0, 0, GenerateSpec(), 3.0, Observability(1500.0, 800.0))
    message = str(caught.value)
    assert "\n" not in message
    # long + rest note in one slot (2.32 s: 10 cells), 3 notes of one cell, the last 0.91 s: 4 cells.
    assert "5 notes need 17 cells of 0.25 s" in message
    assert "1.510 s for the longest attack" in message
    assert "a clip of 3 s has 12" in message


def test_unknown_and_wrong_fields_are_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        GenerateSpec(nots=(5, 10))  # type: ignore[call-arg]
    with pytest.raises(ValidationError, match="in order"):
        GenerateSpec(notes=(10, 5))
    with pytest.raises(ValidationError, match="lowest_pitch"):
        GenerateSpec(lowest_pitch=60)


def test_known_phrase_is_pinned() -> None:
    # Phrases are part of every fingerprint: a change here is a major change.
    notes = generate_phrase(0, 3, GenerateSpec(), 3.0, LEAD)
    assert notes == PINNED


PINNED: Notes = (
    Note(0.0, 0.125, 65, 103),
    Note(0.25, 0.125, 63, 87),
    Note(0.5, 0.75, 65, 109),
    Note(1.25, 0.375, 63, 96),
    Note(2.0, 0.625, 61, 108),
)
