"""Odd MIDI files as bytes, and MIDI files drawn by Hypothesis. All bytes are made here."""

from __future__ import annotations

import io
from collections.abc import Sequence

import mido
from hypothesis import strategies as st

END = b"\x00\xff\x2f\x00"
FOUR_NOTES = b"".join(bytes((0, 0x90, pitch, 96, 48, 0x80, pitch, 0)) for pitch in (60, 64, 67, 72))
"""Four notes of half a beat at 96 ticks a beat, one after another."""
CONTROLLER_ABOVE_127 = bytes.fromhex(
    "4d546864000000060001000100604d54726b0000002800b007ff00903c6030803c0000904060308040000090436030804300"
    "009048603080480000ff2f00"
)


def header(kind: int = 1, tracks: int = 1, division: int = 96) -> bytes:
    return b"MThd" + bytes((0, 0, 0, 6)) + b"".join(n.to_bytes(2) for n in (kind, tracks, division))


def track(body: bytes, length: int | None = None) -> bytes:
    return b"MTrk" + (len(body) if length is None else length).to_bytes(4) + body


def midi(*bodies: bytes, **of_header: int) -> bytes:
    return header(**{"tracks": len(bodies), **of_header}) + b"".join(track(body) for body in bodies)


def riff(inside: bytes) -> bytes:
    padded = b"data" + len(inside).to_bytes(4, "little") + inside + b"\0" * (len(inside) % 2)
    return b"RIFF" + (4 + len(padded)).to_bytes(4, "little") + b"RMID" + padded


WHOLE = {
    "controller above 127": CONTROLLER_ABOVE_127,
    "data above 127 in sysex": midi(b"\x00\xf0\x03\xff\xfe\xf7" + FOUR_NOTES + END),
    "key signature out of range": midi(b"\x00\xff\x59\x02\x20\x09" + FOUR_NOTES + END),
    "key signature of one byte": midi(b"\x00\xff\x59\x01\x20" + FOUR_NOTES + END),
    "short tempo": midi(b"\x00\xff\x51\x01\x20" + FOUR_NOTES + END),
    "time signature of one byte": midi(b"\x00\xff\x58\x01\x04" + FOUR_NOTES + END),
    "text that is no ASCII": midi(b"\x00\xff\x01\x03\xe9\x00\xff" + FOUR_NOTES + END),
    "unknown chunk before": header() + b"XFIH\x00\x00\x00\x02ab" + track(FOUR_NOTES + END),
    "unknown chunk after": midi(FOUR_NOTES + END) + b"XFIH\x00\x00\x00\x02ab",
    "RMID": riff(midi(FOUR_NOTES + END)),
    "MacBinary": bytes(128) + midi(FOUR_NOTES + END),
    "long header": header().replace(b"\0\0\0\6", b"\0\0\0\x08") + b"ab" + track(FOUR_NOTES + END),
    "track length too long": header() + track(FOUR_NOTES + END, 1000),
    "track length too short": header() + track(FOUR_NOTES + END, 10),
    "track length 0": header() + track(FOUR_NOTES + END, 0),
    "lengths of two tracks too long": header(tracks=2) + track(END, 99) + track(FOUR_NOTES + END, 99),
    "first length too short": header(tracks=2) + track(FOUR_NOTES + END, 9) + track(END),
    "more tracks stated": midi(FOUR_NOTES + END, tracks=5),
    "fewer tracks stated": header(tracks=1) + track(END) + track(FOUR_NOTES + END),
    "no end of track": midi(FOUR_NOTES),
    "running status after sysex": midi(
        b"\x00\x90\x3c\x60\x30\x3c\x00" + b"\x00\xf0\x02\x01\xf7" + b"\x00\x40\x60\x30\x40\x00"
        b"\x00\x43\x60\x30\x43\x00\x00\x48\x60\x30\x48\x00" + END
    ),
    "running status after meta": midi(
        b"\x00\x90\x3c\x60\x30\x3c\x00" + b"\x00\xff\x01\x01a" + b"\x00\x40\x60\x30\x40\x00"
        b"\x00\x43\x60\x30\x43\x00\x00\x48\x60\x30\x48\x00" + END
    ),
    "velocity above 127": midi(FOUR_NOTES.replace(b"\x3c\x60", b"\x3c\xff") + END),
    "bytes after the end of track": midi(FOUR_NOTES + END + b"\x00\x90"),
    "bytes after the last track": midi(FOUR_NOTES + END) + b"\0" * 20,
    "type 7": midi(FOUR_NOTES + END, kind=7),
    "type 2 of one track": midi(FOUR_NOTES + END, kind=2),
}
"""Files whose four notes are whole, by what is odd about them."""

BAD = {
    "empty": b"",
    "text": b"hello, this is no music\n" * 9,
    "header only": b"MThd\0\0\0\6\0\1",
    "no tracks": header(),
    "division 0": midi(FOUR_NOTES + END, division=0),
    "SMPTE": midi(FOUR_NOTES + END, division=0xE728),
    "cut within the last track": midi(FOUR_NOTES + END)[:-20],
}
"""Files that no player plays, by what is wrong."""


@st.composite
def good_files(draw: st.DrawFn) -> bytes:
    """Draws MIDI files by mido's writer: any events, tracks, tempos and channels."""
    data = st.integers(0, 127)
    delta = st.integers(0, 400)
    channel = st.integers(0, 15)
    notes = st.builds(
        mido.Message,
        st.sampled_from(["note_on", "note_off"]),
        note=st.integers(58, 62),
        velocity=data,
        channel=channel,
        time=delta,
    )
    others = st.one_of(
        st.builds(
            mido.Message, st.just("control_change"), control=st.integers(0, 119), value=data, time=delta
        ),
        st.builds(mido.Message, st.just("pitchwheel"), pitch=st.integers(-8192, 8191), time=delta),
        st.builds(mido.Message, st.just("program_change"), program=data, time=delta),
        st.builds(mido.Message, st.just("sysex"), data=st.lists(data, max_size=5), time=delta),
        st.builds(mido.MetaMessage, st.just("set_tempo"), tempo=st.integers(1, 0xFFFFFF), time=delta),
        st.builds(mido.MetaMessage, st.just("text"), text=st.text("abc", max_size=200), time=delta),
    )
    tracks = draw(st.lists(st.lists(st.one_of(notes, notes, others), max_size=20), min_size=1, max_size=3))
    made = mido.MidiFile(type=1, ticks_per_beat=draw(st.integers(1, 0x7FFF)))
    made.tracks.extend(mido.MidiTrack(messages) for messages in tracks)
    file = io.BytesIO()
    made.save(file=file)
    return file.getvalue()


@st.composite
def mangled(draw: st.DrawFn, whole: Sequence[bytes]) -> bytes:
    """Draws a file of `whole` with bytes changed, cut out, put in or cut off."""
    data = bytearray(draw(st.sampled_from(list(whole))))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["change", "remove", "insert", "cut"])):
            case "change":
                data[at : at + 1] = bytes([draw(st.integers(0, 255))])
            case "remove":
                del data[at : at + draw(st.integers(1, 8))]
            case "insert":
                data[at:at] = draw(st.binary(max_size=8))
            case "cut":
                del data[max(at, 1) :]
    return bytes(data)
