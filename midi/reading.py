"""Reads MIDI files as notes in seconds: applies tempo changes, skips percussion, separates the parts.

A *part* is one channel of one track. mido parses the bytes; a damaged file raises a one-line InputError.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mido

from manifests.types import InputError, Note

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


def open_midi(path: Path) -> mido.MidiFile:
    """Parses a MIDI file of type 0 or 1.

    Raises InputError if it is not a MIDI file, is truncated or damaged, has type 2, or uses SMPTE time.
    """
    with path.open("rb") as file:
        if file.read(4) != b"MThd":
            raise InputError(f"{path}: not a MIDI file (it does not begin with MThd); replace or remove it")
    try:
        parsed = mido.MidiFile(path)
    except EOFError:
        raise InputError(f"{path}: the MIDI file ends too early (truncated); replace or remove it") from None
    except Exception as error:  # mido raises many types on damaged bytes
        reason = str(error) or type(error).__name__
        raise InputError(f"{path}: damaged MIDI file ({reason}); replace or remove it") from None
    if parsed.type == 2:
        raise InputError(f"{path}: MIDI type 2 (independent tracks), expected type 0 or 1; save it as type 1")
    if parsed.ticks_per_beat <= 0:
        raise InputError(
            f"{path}: time is in SMPTE frames, expected ticks per beat; save it with ticks per beat"
        )
    return parsed


def _tempo_map(parsed: mido.MidiFile) -> TempoMap:
    changes = []
    for track in parsed.tracks:
        tick = 0
        for message in track:
            tick += message.time
            if message.type == "set_tempo":
                changes.append((tick, message.tempo))
    return TempoMap(changes, parsed.ticks_per_beat)


def read_parts(path: Path) -> tuple[list[Part], bool]:
    """Reads the parts of a MIDI file that contain notes.

    Returns the parts without percussion, and whether the file contains percussion. A note without note-off
    ends with its track. A second note-on of a sounding pitch starts another note; note-offs end the oldest
    note first. Raises InputError as `open_midi` does.

    Example::

        parts, has_percussion = read_parts(Path("song.mid"))
    """
    parsed = open_midi(path)
    tempo = _tempo_map(parsed)
    parts, percussion = [], False
    for number, track in enumerate(parsed.tracks):
        held: dict[tuple[int, int], deque[tuple[int, int]]] = defaultdict(deque)
        ended: dict[int, list[tuple[int, int, int, int]]] = defaultdict(list)
        tick = 0
        for message in track:
            tick += message.time
            if message.type not in ("note_on", "note_off"):
                continue
            if message.channel == PERCUSSION_CHANNEL:
                percussion = True
                continue
            key = (message.channel, message.note)
            if message.type == "note_on" and message.velocity > 0:
                held[key].append((tick, message.velocity))
            elif held[key]:
                start, velocity = held[key].popleft()
                ended[message.channel].append((start, tick, message.note, velocity))
        for (channel, pitch), starts in held.items():
            ended[channel] += [(start, tick, pitch, velocity) for start, velocity in starts]
        for channel in sorted(ended):
            notes = tuple(
                Note(tempo.seconds(start), tempo.seconds(end) - tempo.seconds(start), pitch, velocity)
                for start, end, pitch, velocity in sorted(ended[channel])
                if end > start
            )
            if notes:
                parts.append(Part(number, channel, notes))
    return parts, percussion
