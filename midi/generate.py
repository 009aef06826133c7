"""Generates phrases: seeded monophonic melodies in which every envelope is observable.

Pitches are a random walk over the degrees of a drawn scale. A motif of two to four steps is repeated,
transposed and inverted. The walk reverses when it is too far from the tonic, and ends on a note of the tonic
triad. `midi.rhythm` draws the rhythm, `midi.style` register and articulation. A phrase depends only on
(seed, index), unless it would repeat an earlier phrase of its set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from manifests.splits.seeds import stream
from manifests.synthesis.octaves import LOWEST_MEDIAN, to_register, transpose
from manifests.synthesis.phrase_constants import (
    FARTHEST_DEGREE,
    FIRST_DEGREES,
    INVERT_PROBABILITY,
    MOTIF_LENGTHS,
    REPEAT_LAST_PROBABILITY,
    SCALE_STEP_WEIGHTS,
    SCALE_STEPS,
    VARY_PROBABILITY,
    VELOCITY_WEIGHTS,
)
from manifests.types import InputError, Note, Notes, check_notes
from midi.clusters import Intervals, intervals, same_melody
from midi.rhythm import draw_rhythm, feasible_note_counts
from midi.spec import SCALES, GenerateSpec, Observability
from midi.style import draw_style, repeat_degrees

__all__ = ["GenerateSpec", "Observability", "generate_phrase", "generate_phrases"]

_STEP_WEIGHTS = np.array(SCALE_STEP_WEIGHTS)
_STEP_THRESHOLDS = np.cumsum(_STEP_WEIGHTS) / _STEP_WEIGHTS.sum()

ATTEMPTS = 500
"""Draws of one phrase before its config counts as too narrow."""


def _step(number: float) -> int:
    """Returns the step in degrees that a uniform number in [0, 1) selects."""
    return SCALE_STEPS[int(np.searchsorted(_STEP_THRESHOLDS, number, side="right"))]


def draw_degrees(rng: np.random.Generator, count: int, size: int) -> list[int]:
    """Draws a melody of `count` notes as degrees of a scale of `size` degrees; 0 is the tonic."""
    length = MOTIF_LENGTHS[int(rng.random() * len(MOTIF_LENGTHS))]
    motif = [_step(number) for number in rng.random(length)]
    degree = FIRST_DEGREES[int(rng.random() * len(FIRST_DEGREES))]
    degrees = [degree]
    sign = 1
    while len(degrees) < count - 1:
        place = (len(degrees) - 1) % length
        if place == 0 and rng.random() < INVERT_PROBABILITY:
            sign = -sign
        step = sign * motif[place]
        if rng.random() < VARY_PROBABILITY:
            step = _step(rng.random())
        if abs(degree + step) > FARTHEST_DEGREE:
            step = -step
        degree += step
        degrees.append(degree)
    ends = [d for octave in (-size, 0, size) for d in (octave, octave + 2, octave + size - 3)]
    nearest = sorted(ends, key=lambda end: (abs(end - degree), end))
    last = nearest[0] if nearest[0] != degree or rng.random() < REPEAT_LAST_PROBABILITY else nearest[1]
    return [*degrees, last][:count]


def _draw(
    seed: int, index: int, attempt: int, spec: GenerateSpec, seconds: float, observe: Observability
) -> tuple[Notes, bool]:
    """Draws phrase `index` once; returns it, and whether its pitches are in its register's range."""
    rng = stream(seed, "phrase", index, attempt)
    style = draw_style(seed, index, attempt, spec)
    scale = SCALES[spec.scales[int(rng.random() * len(spec.scales))]]
    tonic = LOWEST_MEDIAN + int(rng.random() * 12)
    sounding = draw_rhythm(rng, spec, seconds, observe, style.staccato)
    degrees = repeat_degrees(draw_degrees(rng, len(sounding), len(scale)), style.repeats)
    low, high = spec.velocity
    of_phrase, of_note, accent = VELOCITY_WEIGHTS
    base = rng.random()
    notes = []
    for (onset, off), degree in zip(sounding, degrees, strict=True):
        pitch = tonic + scale[degree % len(scale)] + 12 * (degree // len(scale))
        on_beat = round(onset / spec.grid_s) % 2 == 0
        force = of_phrase * base + of_note * rng.random() + (accent if on_beat else 0.0)
        velocity = low + int(force * (high - low + 1))
        notes.append(Note(onset, off - onset, pitch, min(velocity, high)))
    in_register = to_register(notes)[0]
    inside = all(spec.lowest_pitch <= note.pitch <= spec.highest_pitch for note in in_register)
    return transpose(in_register, 12 * style.register), inside


def _phrase(
    seed: int,
    index: int,
    spec: GenerateSpec,
    seconds: float,
    observe: Observability,
    taken: dict[Intervals, list[Notes]],
    accept: Callable[[Notes], bool] = lambda notes: True,
) -> Notes:
    """Returns the first draw of phrase `index` that is in the pitch range, accepted, and not in `taken`.

    `taken` maps intervals to the phrases that have them.
    """
    feasible_note_counts(spec, seconds, observe)
    for attempt in range(ATTEMPTS):
        notes, inside = _draw(seed, index, attempt, spec, seconds, observe)
        if (
            inside
            and accept(notes)
            and not any(same_melody(notes, other) for other in taken.get(intervals(notes), []))
        ):
            return check_notes(notes, seconds)
    raise InputError(
        f"phrases: no new melody for phrase {index} within pitches"
        f" {spec.lowest_pitch}..{spec.highest_pitch} in {ATTEMPTS} draws; ask for fewer phrases,"
        " or allow a wider range or more notes"
    )


def generate_phrase(
    seed: int, index: int, spec: GenerateSpec, seconds: float, observe: Observability
) -> Notes:
    """Generates phrase `index` alone, for a clip of `seconds`.

    Raises InputError if the notes do not fit the clip, or no draw stays within the pitch range.

    Example::

        notes = generate_phrase(0, 7, GenerateSpec(), 3.0, Observability(600.0, 300.0))
    """
    return _phrase(seed, index, spec, seconds, observe, {})


def generate_phrases(
    seed: int,
    count: int,
    spec: GenerateSpec,
    seconds: float,
    observe: Observability,
    on_progress: Callable[[int, int], None] | None = None,
    existing: Sequence[Notes] = (),
    accept: Callable[[Notes], bool] = lambda notes: True,
) -> list[Notes]:
    """Generates phrases 0..count-1, no two of them the same melody up to transposition.

    A larger count leaves the earlier phrases unchanged. `existing` phrases start the list as they are.
    A phrase equals `generate_phrase` of its index, unless that repeats an earlier one or `accept` returns
    False: then it is redrawn. `on_progress` is called with (phrases done, phrases in all).

    Raises InputError if the notes do not fit the clip, or no new melody is found in `ATTEMPTS` draws.

    Example::

        phrases = generate_phrases(0, 100, GenerateSpec(), 3.0, Observability(600.0, 300.0))
    """
    taken: dict[Intervals, list[Notes]] = {}
    for notes in existing:
        taken.setdefault(intervals(notes), []).append(notes)
    phrases = list(existing)
    for index in range(len(existing), count):
        notes = _phrase(seed, index, spec, seconds, observe, taken, accept)
        taken.setdefault(intervals(notes), []).append(notes)
        phrases.append(notes)
        if on_progress is not None:
            on_progress(index + 1, count)
    return phrases
