"""Tells a release from what else stands or begins in the rest after a note-off.

A release is a fall that does not slow down in dB: a straight line in amplitude and the exponential shape
of `manifests.synthesis.envelope` both fall faster and faster. What else sounds in a rest would be read as a
long release:

- a level that stands: noise, rumble, or a constant offset;
- something that dies away more slowly: a soft note that is not listed, a room;
- another sound, which the notes do not list: its level exceeds that before the note-off.

The points from there on do not count in the fit. A level that stands is taken for noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from manifests.synthesis.envelope import F64

BEFORE_MS = 100.0
"""Stretch before the note-off whose highest level a release cannot exceed: it spans a slow beat's crest."""

RISEN = 2.0**0.5
"""A level this many times that before the note-off (3 dB) is another sound's."""

FALLEN = 0.5**0.5
"""Share of the level at the note-off (-3 dB) that a level must fall to before it can be said to stand."""

ALIKE = 1.26
"""Levels stand if they exceed the lowest by at most this factor (2 dB)."""

AUDIBLE = 3.0
"""A level below this many times the floor is silence."""

KNEE_DB, SLOWER_DB = 12.0, 6.0
"""A fall of so many dB has slowed down if the next `WINDOWS` fall so many dB short of the rate until then."""

WINDOWS = 2
"""Shortest stretch, in lengths of the smoothing window, that shows a fall, or that a level stands."""


@dataclass(frozen=True, slots=True, eq=False)
class Rests:
    """What the rests after the notes show.

    Attributes:
        counts: The points that count, bool [points].
        heard_ms: Until when each note is heard alone, in ms after its onset, float64 [notes].
        interrupted: Whether another sound begins before a release could be told, bool [notes].
        noise: The lowest level that stands in a rest, re full scale; 0 if none does.
    """

    counts: npt.NDArray[np.bool_]
    heard_ms: F64
    interrupted: npt.NDArray[np.bool_]
    noise: float


@dataclass(frozen=True, slots=True)
class _Rest:
    """Where another sound begins, or the release has ended (ms after the onset), and the noise from there."""

    begins_ms: float | None = None
    ended_ms: float | None = None
    noise: float = 0.0


def hear_rest(
    level: F64, time_ms: F64, gate_ms: float, end_ms: float, window_ms: float, floor: float
) -> _Rest:
    """Finds what else sounds in the rest of one note.

    Args:
        level: Short-time level, delayed by half of the window, float64 [points].
        time_ms: Times of the points after the onset, float64 [points], ascending.
        gate_ms: The note-off after the onset.
        end_ms: End of the rest after the onset, before the cut fade.
        window_ms: Length of the smoothing window.
        floor: The level that counts as silence.
    """
    asked = (time_ms > gate_ms + window_ms) & (time_ms <= end_ms)
    rest, time = level[asked], time_ms[asked]
    shortest = WINDOWS * window_ms
    if len(rest) < 2 or time[-1] - time[0] < shortest:
        return _Rest()
    held = level[(time_ms > gate_ms - BEFORE_MS) & (time_ms <= gate_ms + window_ms / 2)]
    before = float(held[-1])
    knee = _knee(rest, time - gate_ms - window_ms / 2, before, shortest, AUDIBLE * floor)
    risen = np.flatnonzero(rest > RISEN * max(float(held.max()), floor))
    if len(risen) and (knee is None or knee > risen[0]):
        return _Rest(begins_ms=float(time[np.argmin(rest[: risen[0] + 1])]))
    ended_ms = None if knee is None else float(time[knee])
    lowest = float(rest.min())
    if len(risen) or lowest > FALLEN * before or lowest < AUDIBLE * floor:
        return _Rest(ended_ms=ended_ms)
    first = int(np.argmax(rest <= ALIKE * lowest))
    if time[-1] - time[first] < shortest:
        return _Rest(ended_ms=ended_ms)
    return _Rest(
        ended_ms=float(time[first if knee is None else min(knee, first)]),
        noise=float(np.median(rest[first:])),
    )


def _knee(rest: F64, since_ms: F64, before: float, ahead_ms: float, audible: float) -> int | None:
    """Returns the first point at which a fall slows down, or None.

    Args:
        rest: Levels after the note-off, float64 [points].
        since_ms: Their times after the note-off, float64 [points], above 0.
        before: Level at the note-off.
        ahead_ms: How far ahead the fall is compared with that until a point.
        audible: Levels below do not count: all falls end in silence.
    """
    fallen_db = 20.0 * np.log10(max(before, audible) / np.maximum(rest, audible))
    ahead = np.searchsorted(since_ms, since_ms + ahead_ms)
    here = np.flatnonzero((ahead < len(rest)) & (fallen_db >= KNEE_DB))
    later = ahead[here]
    wanted_db = fallen_db[here] * since_ms[later] / since_ms[here]
    slower = (fallen_db[later] < wanted_db - SLOWER_DB) & (rest[later] > audible)
    return int(here[np.argmax(slower)]) if slower.any() else None
