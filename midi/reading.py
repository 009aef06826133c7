"""Reads MIDI files as notes in seconds: applies tempo changes, skips percussion, separates the parts.

A *part* is one channel of one track. `midi.smf` parses the bytes and `midi.pairing` finds the notes' ends.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from manifests.types import Note
from midi.pairing import pair_notes
from midi.smf import NoteEvent, read_midi

PERCUSSION_CHANNEL = 9
"""MIDI channel 10, counted from 0: its pitches are drums."""

DEFAULT_TEMPO = 500_000
"""Microseconds per quarter note before the first tempo event: 120 beats per minute."""


@dataclass(frozen=True, slots=True)
class Part:
    """Holds the notes of one channel of one track, sorted by onset; they may be polyphonic."""

    track: int
    channel: int
    notes: tuple[Note, ...]


class TempoMap:
    """Converts ticks to seconds over all tempo changes of a file."""

    def __init__(self, changes: Sequence[tuple[int, int]], ticks_per_beat: int) -> None:
        """Takes (tick, microseconds per quarter note) pairs in any order; at equal ticks the last wins."""
        self._per_beat = ticks_per_beat
        self._ticks, self._seconds, self._tempos = [0], [0.0], [DEFAULT_TEMPO]
        for tick, tempo in sorted(changes, key=lambda change: change[0]):
            reached = self.seconds(tick)
            self._ticks.append(tick)
            self._seconds.append(reached)
            self._tempos.append(tempo)

    def seconds(self, tick: int) -> float:
        """Returns the time of a tick in seconds."""
        place = bisect_right(self._ticks, tick) - 1
        beats = (tick - self._ticks[place]) / self._per_beat
        return self._seconds[place] + beats * self._tempos[place] * 1e-6


@dataclass(frozen=True, slots=True)
class Song:
    """The notes of a MIDI file by their parts, without percussion.

    `percussion` says whether the file also has percussion. `timeless` counts the notes that last no time,
    which no part contains. `repairs` counts what was read although the file breaks the standard.
    """

    parts: list[Part]
    percussion: bool
    timeless: int
    repairs: Counter[str]


def read_song(path: Path) -> Song:
    """Reads the notes of a MIDI file. Raises InputError as `midi.smf.read_midi` does.

    Example: `read_song(Path("song.mid")).repairs.total()`.
    """
    parsed = read_midi(path)
    tempo = TempoMap([change for track in parsed.tracks for change in track.tempos], parsed.ticks_per_beat)
    parts: list[Part] = []
    percussion, timeless = False, 0
    for number, track in enumerate(parsed.tracks):
        by_channel: dict[int, list[NoteEvent]] = defaultdict(list)
        for event in track.notes:
            by_channel[event.channel].append(event)
        percussion |= by_channel.pop(PERCUSSION_CHANNEL, None) is not None
        for channel in sorted(by_channel):
            silenced = [tick for tick, of in track.silenced if of == channel]
            paired = pair_notes(by_channel[channel], silenced, track.end, tempo.seconds, parsed.repairs)
            notes = tuple(
                Note(tempo.seconds(start), tempo.seconds(end) - tempo.seconds(start), pitch, velocity)
                for start, end, pitch, velocity in paired
            )
            lasting = tuple(note for note in notes if note.duration > 0.0)
            timeless += len(notes) - len(lasting)
            if lasting:
                parts.append(Part(number, channel, lasting))
    return Song(parts, percussion, timeless, parsed.repairs)


def read_parts(path: Path) -> tuple[list[Part], bool]:
    """Reads the parts of a MIDI file that contain notes.

    Returns the parts without percussion, and whether the file contains percussion. Raises InputError as
    `midi.smf.read_midi` does.

    Example::

        parts, has_percussion = read_parts(Path("song.mid"))
    """
    song = read_song(path)
    return song.parts, song.percussion
