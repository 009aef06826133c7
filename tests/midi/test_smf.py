"""The MIDI parser: good files as mido reads them, odd files as players do, and no file ends in a crash."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress

import mido
import pytest
from hypothesis import given

from manifests.types import InputError
from midi.smf import parse_midi
from tests.support import odd_midi
from tests.support.properties import same_examples

Event = tuple[int, int, int, int]


def events_by_mido(data: bytes) -> Iterator[tuple[list[Event], list[tuple[int, int]], int]]:
    """Yields (notes, tempos, length in ticks) of each track, as mido reads it."""
    for track in mido.MidiFile(file=io.BytesIO(data)).tracks:
        tick, notes, tempos = 0, [], []
        for message in track:
            tick += message.time
            if message.type in ("note_on", "note_off"):
                velocity = message.velocity if message.type == "note_on" else 0
                notes.append((tick, message.channel, message.note, velocity))
            elif message.type == "set_tempo":
                tempos.append((tick, message.tempo))
        yield notes, tempos, tick


@same_examples
@given(odd_midi.good_files())
def test_good_files_are_read_as_mido_reads_them(data: bytes) -> None:
    parsed = parse_midi(data)
    assert not parsed.repairs
    assert parsed.ticks_per_beat == mido.MidiFile(file=io.BytesIO(data)).ticks_per_beat
    ours = [
        ([(n.tick, n.channel, n.pitch, n.velocity) for n in track.notes], track.tempos, track.end)
        for track in parsed.tracks
    ]
    assert ours == list(events_by_mido(data))


@pytest.mark.parametrize("odd", odd_midi.WHOLE)
def test_what_players_play_is_read(odd: str) -> None:
    parsed = parse_midi(odd_midi.WHOLE[odd])
    notes = [note for track in parsed.tracks for note in track.notes]
    onsets = [(note.tick, note.pitch) for note in notes if note.velocity]
    assert onsets == [(0, 60), (48, 64), (96, 67), (144, 72)]
    assert [note.tick for note in notes if not note.velocity] == [48, 96, 144, 192]


def test_an_unknown_meta_event_takes_its_time() -> None:
    body = bytes.fromhex("00903c60 30803c00 30ff6003010203 00904060 30804000") + odd_midi.END
    (track,) = parse_midi(odd_midi.midi(body)).tracks
    assert [note.tick for note in track.notes] == [0, 48, 96, 144]


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("empty", "empty"),
        ("text", "does not begin with MThd"),
        ("header only", "truncated"),
        ("no tracks", "no tracks"),
        ("division 0", "0 ticks per beat"),
        ("SMPTE", "SMPTE"),
        ("cut within the last track", "truncated"),
    ],
)
def test_blame_falls_on_the_right_thing(bad: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        parse_midi(odd_midi.BAD[bad])
    assert says == "truncated" or "truncated" not in str(caught.value)
    assert says == "SMPTE" or "SMPTE" not in str(caught.value)


@same_examples
@given(odd_midi.mangled([*odd_midi.WHOLE.values(), *odd_midi.BAD.values()]))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(InputError):
        for track in parse_midi(data).tracks:
            assert all(0 <= n.pitch <= 127 and 0 <= n.velocity <= 127 for n in track.notes)
            assert all(n.tick <= track.end for n in track.notes)
