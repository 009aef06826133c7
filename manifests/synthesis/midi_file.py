"""Writes MIDI files in memory: DawDreamer takes control messages only this way, and codecs export notes so.

A tick is 3 us, so that every sample of a rate up to 96 kHz has its own tick.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from manifests.types import Note

TICKS_PER_BEAT = 32_767
BEAT_US = 100_000
ALL_SOUND_OFF = bytes((0xB0, 120, 0))


def midi_file(notes: Sequence[Note], cut: bool = False, beat_us: int = BEAT_US) -> bytes:
    """Returns a type 0 MIDI file of `notes`; `cut` adds All Sound Off at the start and before each onset.

    `beat_us` is a beat's length in microseconds. It sets the tempo and changes no time in seconds.

    Example: `Path("notes.mid").write_bytes(midi_file(notes))`.
    """
    events: list[tuple[int, int, bytes]] = [(0, 1, ALL_SOUND_OFF)] if cut else []
    for note in notes:
        on = ticks(note.onset, beat_us)
        events.append((ticks(note.off, beat_us), 0, bytes((0x80, note.pitch, 0))))
        if cut:
            events.append((on, 1, ALL_SOUND_OFF))
        events.append((on, 2, bytes((0x90, note.pitch, note.velocity))))
    body = b"\x00\xff\x51\x03" + beat_us.to_bytes(3, "big")
    before = 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        body += variable_length(tick - before) + message
        before = tick
    body += b"\x00\xff\x2f\x00"
    header = struct.pack(">4sIHHH", b"MThd", 6, 0, 1, TICKS_PER_BEAT)
    return header + struct.pack(">4sI", b"MTrk", len(body)) + body


def ticks(seconds: float, beat_us: int = BEAT_US) -> int:
    """Converts seconds to ticks."""
    return round(seconds * 1e6 / beat_us * TICKS_PER_BEAT)


def variable_length(value: int) -> bytes:
    """Encodes a number as a MIDI variable-length quantity: 7 bits per byte, most significant first."""
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append((value & 0x7F) | 0x80)
    return bytes(reversed(groups))
