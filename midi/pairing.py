"""Pairs note-ons with note-offs where some are lost: each note ends at the most plausible place.

Files in order are paired as the standard says, the oldest sounding note of a pitch first. A note whose
note-off is lost would take the next one's, and so would all later notes of its pitch. So within a run of
overlapping notes that never closes, a note-off ends the newest note, and the notes without one end at the
next onset. A note may not sound beyond the next onset of its own pitch, nor, if it is longer than
`LONGEST_NOTE_S`, beyond the next onset of any.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby

from midi.smf import NoteEvent

LONGEST_NOTE_S = 20.0
"""A longer note is taken to hang: it ends at the next onset of its channel."""
LEGATO_S = 0.050
"""A note-off at most this long after an onset may belong to the note before it."""

TickNote = tuple[int, int, int, int]
"""Start tick, end tick, pitch, velocity."""

LOST = "a note without its note-off ends at the next onset"
RETRIGGERED = "a note that sounded beyond the next onset of its pitch ends there"
HANGING = f"a note longer than {LONGEST_NOTE_S:g} s ends at the next onset"


def pair_notes(
    events: Sequence[NoteEvent],
    silenced: Sequence[int],
    end: int,
    seconds: Callable[[int], float],
    repairs: Counter[str],
) -> list[TickNote]:
    """Pairs the events of one channel; returns its notes, sorted.

    Args:
        events: The channel's events in order.
        silenced: Ticks, sorted, at which notes without note-off end ("all notes off").
        end: The track's last tick, at which the last notes without note-off end.
        seconds: Converts ticks to seconds.
        repairs: Counts what was repaired, by its description.
    """
    onsets = sorted({event.tick for event in events if event.velocity})
    by_pitch: dict[int, list[NoteEvent]] = defaultdict(list)
    for event in events:
        by_pitch[event.pitch].append(event)
    notes: list[TickNote] = []
    for pitch, of_pitch in by_pitch.items():
        starts = sorted({event.tick for event in of_pitch if event.velocity})
        for start, off, velocity in _paired(of_pitch, seconds):
            stop = off
            if stop is None:
                places = (_after(starts, start), _after(onsets, start), _after(silenced, start - 1))
                stop = min([place for place in places if place is not None], default=max(end, start))
                repairs[LOST] += 1
            elif (again := _after(starts, start)) is not None and again < stop:
                stop = again
                repairs[RETRIGGERED] += 1
            following = _after(onsets, start)
            if following is not None and following < stop and seconds(stop) - seconds(start) > LONGEST_NOTE_S:
                stop = following
                repairs[HANGING] += 1
            notes.append((start, stop, pitch, velocity))
    return sorted(notes)


def _after(ticks: Sequence[int], tick: int) -> int | None:
    """Returns the first of the sorted `ticks` that is later than `tick`."""
    place = bisect_right(ticks, tick)
    return ticks[place] if place < len(ticks) else None


def _paired(
    events: Iterable[NoteEvent], seconds: Callable[[int], float]
) -> Iterator[tuple[int, int | None, int]]:
    """Yields (start, note-off or None, velocity) for the notes of one pitch."""
    run: list[NoteEvent] = []
    held = 0
    for event in _offs_first(events):
        if event.velocity:
            held += 1
        elif held:
            held -= 1
        else:
            continue  # a note-off without a note: players send them to be sure
        run.append(event)
        if not held:
            yield from _oldest_first(run)
            run = []
    yield from _newest_first(run, seconds)


def _offs_first(events: Iterable[NoteEvent]) -> Iterator[NoteEvent]:
    """Yields the events in order, but at equal ticks the note-offs of sounding notes first."""
    held = 0
    for _, at_once in groupby(events, key=lambda event: event.tick):
        offs: list[NoteEvent] = []
        rest: list[NoteEvent] = []
        for event in at_once:
            is_first = not event.velocity and len(offs) < held
            (offs if is_first else rest).append(event)
        for event in (*offs, *rest):
            held = held + 1 if event.velocity else max(held - 1, 0)
            yield event


def _oldest_first(run: Sequence[NoteEvent]) -> Iterator[tuple[int, int | None, int]]:
    """Yields the notes of a run with as many note-offs as note-ons."""
    ons = (event for event in run if event.velocity)
    offs = (event for event in run if not event.velocity)
    yield from ((on.tick, off.tick, on.velocity) for on, off in zip(ons, offs, strict=True))


def _newest_first(
    run: Sequence[NoteEvent], seconds: Callable[[int], float]
) -> Iterator[tuple[int, int | None, int]]:
    """Yields the notes of a run in which note-offs are lost."""
    waiting: deque[tuple[int, int]] = deque()
    for place, event in enumerate(run):
        if event.velocity:
            waiting.append((event.tick, event.velocity))
            continue
        if not waiting:
            continue
        another = place + 1 < len(run) and not run[place + 1].velocity
        soon = seconds(event.tick) - seconds(waiting[-1][0]) <= LEGATO_S
        older = len(waiting) > 1 and (another or soon)
        # Notes before the one that ends lost their note-offs.
        while len(waiting) > 2 or (len(waiting) == 2 and not older):
            start, velocity = waiting.popleft()
            yield start, None, velocity
        start, velocity = waiting.popleft()
        yield start, event.tick, velocity
    yield from ((start, None, velocity) for start, velocity in waiting)
