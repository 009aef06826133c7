"""Parses Standard MIDI Files leniently: what the standard defines and what players play is read.

Only what phrases need is kept: note events, tempo changes, "all notes off" and the length of each track.
Other events are passed over by their length, whatever they hold, so that no defect in them costs a note.
Where the bytes break the standard, the parser does what players do and counts it as a repair. Time and
memory are linear in the file's length. mido says how long each kind of event is; its own reader refuses
most of what is repaired here.

The standard: Standard MIDI Files 1.0, in the MIDI 1.0 Detailed Specification, MIDI Association 1996.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import mido

from manifests.listing import read_at_most
from manifests.types import InputError

MAX_BYTES = 256 << 20
"""The largest file that is read."""
SEARCHED = 1024
"""Bytes at a file's beginning that are searched for the header, as in files with a MacBinary header."""

SYSEX, CONTINUED = 0xF0, 0xF7
"""Statuses of system exclusive messages, which state their length."""
_DATA_BYTES = {
    status: spec["length"] - 1
    for status, spec in mido.messages.specs.SPEC_BY_STATUS.items()
    if status not in (SYSEX, CONTINUED)
}
"""The number of data bytes after each status byte."""
_SOUND_OFF = {120, *range(123, 128)}
"""Controllers that end all notes of their channel."""
SET_TEMPO, END_OF_TRACK = 0x51, 0x2F
"""Types of meta events."""
_LARGEST = (1 << 28) - 1
"""The largest variable-length quantity."""


@dataclass(frozen=True, slots=True)
class NoteEvent:
    """A note-on (velocity 1..127) or a note-off (velocity 0) at a tick."""

    tick: int
    channel: int
    pitch: int
    velocity: int


@dataclass(slots=True)
class Track:
    """The events of a track, in order: notes, tempo changes and the ticks at which a channel is silenced."""

    notes: list[NoteEvent] = field(default_factory=list)
    tempos: list[tuple[int, int]] = field(default_factory=list)
    """(tick, microseconds per quarter note)."""
    silenced: list[tuple[int, int]] = field(default_factory=list)
    """(tick, channel)."""
    end: int = 0
    """Tick of the track's last event."""


@dataclass(slots=True)
class MidiFile:
    """A parsed file. `repairs` counts what was read although it breaks the standard, by its description."""

    ticks_per_beat: int
    tracks: list[Track]
    repairs: Counter[str]


def read_midi(path: Path) -> MidiFile:
    """Reads a MIDI file of type 0 or 1, alone or within a RIFF file (RMID).

    Raises InputError if it is no MIDI file, if bytes are missing at its end, if it has type 2, no usable unit
    of time or no tracks, or if it cannot be read at all.

    Example: `len(read_midi(Path("song.mid")).tracks)`.
    """
    data = read_at_most(path, MAX_BYTES)
    if len(data) > MAX_BYTES:
        raise InputError(f"{path}: larger than {MAX_BYTES >> 20} MiB, so no MIDI file; remove it")
    try:
        return parse_midi(data)
    except InputError as error:
        raise InputError(f"{path}: {error}; replace or remove it") from None


def parse_midi(data: bytes) -> MidiFile:
    """Parses the bytes of a MIDI file; raises InputError as `read_midi` does, without the file's name."""
    if not data:
        raise InputError("not a MIDI file (it is empty)")
    start = data.find(b"MThd", 0, SEARCHED)
    if start < 0:
        raise InputError("not a MIDI file (it does not begin with MThd)")
    repairs: Counter[str] = Counter()
    if start and data[:4] != b"RIFF":
        repairs[f"{start} bytes before the header were passed over"] += 1
    elif start:
        # The length of the MIDI file is stated in the four bytes before it.
        inside = int.from_bytes(data[start - 4 : start], "little")
        data = data[: start + inside] if inside >= 14 else data
    if len(data) < start + 14:
        raise InputError("the MIDI file ends too early (truncated in its header)")
    length = int.from_bytes(data[start + 4 : start + 8])
    kind, stated, division = (int.from_bytes(data[start + at : start + at + 2]) for at in (8, 10, 12))
    if length < 6:
        repairs["a header shorter than 6 bytes was read as one of 6"] += 1
    if kind == 2 and stated > 1:
        raise InputError("MIDI type 2 (independent tracks), expected type 0 or 1; save it as type 1")
    if kind > 2:
        repairs[f"the unknown type {kind} was read as type 1"] += 1
    if division == 0:
        raise InputError("its header says 0 ticks per beat, so its notes have no times")
    if division & 0x8000:
        raise InputError("time is in SMPTE frames, expected ticks per beat; save it with ticks per beat")
    tracks = _tracks(data, start + 8 + max(length, 6), repairs)
    if not tracks:
        raise InputError("the MIDI file holds no tracks")
    if len(tracks) != stated:
        repairs[f"{len(tracks)} tracks were read where the header says {stated}"] += 1
    return MidiFile(division, tracks, repairs)


def _tracks(data: bytes, at: int, repairs: Counter[str]) -> list[Track]:
    """Reads all track chunks from byte `at` on; other chunks are passed over."""
    tracks: list[Track] = []
    while at + 8 <= len(data):
        if not _begins_chunk(data, at):
            repairs["bytes outside of all tracks were passed over"] += 1
            at = _next_track(data, at)
            continue
        end = at + 8 + int.from_bytes(data[at + 4 : at + 8])
        if data[at : at + 4] == b"MTrk":
            reader = _Reader(data, at + 8, end, repairs)
            tracks.append(reader.read())
            at = reader.at
        else:
            at = end
    return tracks


def _next_track(data: bytes, at: int) -> int:
    """Returns where the next track chunk begins at or after byte `at`, or the file's end."""
    found = data.find(b"MTrk", at)
    return found if found >= 0 else len(data)


def _begins_chunk(data: bytes, at: int) -> bool:
    """Returns whether a chunk begins at byte `at`: a track's name, or any name whose chunk ends well."""
    name = data[at : at + 4]
    if name == b"MTrk":
        return True
    end = at + 8 + int.from_bytes(data[at + 4 : at + 8])
    ends_well = end == len(data) or (end < len(data) and data[end : end + 4].isalnum())
    return at + 8 <= len(data) and name.isalnum() and ends_well


class _Reader:
    """Reads the events of one track chunk, whose stated end may be wrong; `at` is the next byte to read."""

    def __init__(self, data: bytes, at: int, stated: int, repairs: Counter[str]) -> None:
        self.data, self.at, self.stated, self.repairs = data, at, stated, repairs
        self.track = Track()
        is_end = stated == len(data) or (stated < len(data) and _begins_chunk(data, stated))
        self.limit = stated if is_end else _next_track(data, stated)

    def read(self) -> Track:
        """Reads the track; `at` is then where the next chunk begins.

        Raises InputError if the file ends before the track does.
        """
        tick, running, lost = 0, 0, False
        while self.at < self.limit:
            if not lost:
                tick = self.track.end = tick + self._number()
            if self.at >= self.limit:
                break
            status = self.data[self.at]
            lost = status < 0x80 and not running
            if lost:
                self._find_status()
                continue
            if status < 0x80:
                status = running
            else:
                self.at += 1
            if status == 0xFF:
                if self._meta(tick) == END_OF_TRACK:
                    self._leave()
                    return self.track
            elif status in (SYSEX, CONTINUED):
                self._take(self._number())
            elif status >= 0xF0:
                self._take(_DATA_BYTES.get(status, 0))
            else:
                running = status
                self._channel_event(tick, status)
        if self.stated > len(self.data):
            raise InputError("the MIDI file ends too early (truncated: its last track has no end)")
        self.repairs["a track without an End of Track event was read"] += 1
        return self.track

    def _number(self) -> int:
        """Reads a variable-length quantity."""
        value, data = 0, self.data
        while self.at < self.limit:
            byte = data[self.at]
            self.at += 1
            value = min(value << 7 | byte & 0x7F, _LARGEST)
            if byte < 0x80:
                break
        return value

    def _find_status(self) -> None:
        """Passes over data bytes that no status precedes, up to the next status."""
        self.repairs["bytes that belong to no event were passed over"] += 1
        while self.at < self.limit and self.data[self.at] < 0x80:
            self.at += 1

    def _take(self, length: int) -> bytes:
        """Reads `length` bytes, or those up to the track's end."""
        begin, self.at = self.at, min(self.at + length, self.limit)
        if self.at < begin + length and self.stated <= len(self.data):
            self.repairs["an event that its track's end cuts was left out"] += 1
        return self.data[begin : self.at]

    def _meta(self, tick: int) -> int:
        """Reads a meta event; returns its type, or -1 if it is cut."""
        kind = self._take(1)
        length = self._number()
        content = self._take(length)
        if not kind or len(content) < length:
            return -1
        if kind[0] == SET_TEMPO and length >= 3:
            self.track.tempos.append((tick, int.from_bytes(content[:3])))
        elif kind[0] == SET_TEMPO:
            self.repairs["a tempo change without its three bytes was left out"] += 1
        return kind[0]

    def _channel_event(self, tick: int, status: int) -> None:
        kind, channel = status & 0xF0, status & 0x0F
        content = self._take(_DATA_BYTES[status])
        if len(content) < _DATA_BYTES[status]:
            return
        if kind in (0x80, 0x90):
            pitch, velocity = content
            if pitch > 127:
                self.repairs["a note of a pitch above 127 was left out"] += 1
                return
            if velocity > 127:
                self.repairs["a velocity above 127 was read as 127"] += 1
            velocity = min(velocity, 127) if kind == 0x90 else 0
            self.track.notes.append(NoteEvent(tick, channel, pitch, velocity))
        elif kind == 0xB0 and content[0] in _SOUND_OFF:
            self.track.silenced.append((tick, channel))

    def _leave(self) -> None:
        """Goes from an End of Track event to where the next chunk begins."""
        if self.at == self.stated:
            return
        if (
            self.at > self.stated
            or self.stated > len(self.data)
            or self.data[self.at : self.at + 4] == b"MTrk"
        ):
            self.repairs["a track of another length than stated was read"] += 1
            return
        self.repairs["bytes after an End of Track event were passed over"] += 1
        self.at = self.stated
