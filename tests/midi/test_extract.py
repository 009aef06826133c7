"""Phrase extraction from real MIDI files, valid and invalid."""

from pathlib import Path

import mido
import pytest

from manifests.dataset.canonical import sha256_file
from manifests.types import InputError
from midi.extract import ExtractSpec, extract_folder
from midi.monophonic import skyline
from midi.reading import read_parts

BEAT = 480

Event = tuple[int, int, int]
"""Start tick, end tick, pitch."""


def track(
    events: list[Event], channel: int = 0, tempos: list[tuple[int, int]] | None = None
) -> mido.MidiTrack:
    """Returns a MIDI track: notes of velocity 80, tempo changes (tick, microseconds per quarter note)."""
    timed = [(tick, 0, mido.MetaMessage("set_tempo", tempo=tempo)) for tick, tempo in tempos or []]
    for start, end, pitch in events:
        timed.append((start, 2, mido.Message("note_on", channel=channel, note=pitch, velocity=80)))
        timed.append((end, 1, mido.Message("note_off", channel=channel, note=pitch)))
    made, now = mido.MidiTrack(), 0
    for tick, _, message in sorted(timed, key=lambda item: item[:2]):
        made.append(message.copy(time=tick - now))
        now = tick
    return made


def save(path: Path, *tracks: mido.MidiTrack) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    mido.MidiFile(type=1, ticks_per_beat=BEAT, tracks=list(tracks)).save(path)
    return path


def scale(count: int, start: int = 0, pitch: int = 60) -> list[Event]:
    """Returns `count` legato quarter notes, up and down."""
    return [
        (start + k * BEAT, start + (k + 1) * BEAT, pitch + (0, 2, 4, 5, 7, 5, 4, 2)[k % 8])
        for k in range(count)
    ]


def test_windows_start_at_onsets_and_cut_overhanging_notes(tmp_path: Path) -> None:
    path = save(tmp_path / "tune.mid", track([*scale(6, start=BEAT), (7 * BEAT, 9 * BEAT, 72)]))
    phrases, skipped = extract_folder(tmp_path, ExtractSpec(notes=(2, 10)), 2.25)
    first, second = phrases
    assert first.source == "tune.mid track 0 at 0.50 s"
    assert first.source_sha256 == sha256_file(path)
    assert [n.pitch for n in first.notes] == [60, 62, 64, 65, 67]
    assert first.notes[0].onset == 0.0
    assert [n.duration for n in first.notes] == [0.5, 0.5, 0.5, 0.5, 0.25], "the last is cut at 2.25 s"
    assert first.transposed == 0
    assert second.source == "tune.mid track 0 at 3.00 s"
    assert [n.pitch for n in second.notes] == [65 - 12, 72 - 12]
    assert second.transposed == -12
    assert {n.velocity for n in first.notes} == {80}
    assert skipped == []


def test_tempo_changes_of_one_track_apply_to_all(tmp_path: Path) -> None:
    tempos = [(0, 1_000_000), (2 * BEAT, 250_000)]
    path = save(tmp_path / "a.mid", track([], tempos=tempos), track(scale(4)))
    (line,), _ = read_parts(path)
    assert [n.onset for n in line.notes] == [0.0, 1.0, 2.0, 2.25]
    assert line.notes[-1].off == pytest.approx(2.5)


def test_a_file_is_read_from_every_track_and_channel_but_percussion(tmp_path: Path) -> None:
    both = mido.merge_tracks([track(scale(6), 0), track(scale(6, pitch=62), 3)])
    save(tmp_path / "sub" / "a.MID", track(scale(6), 9), both, track(scale(5)))
    phrases, _ = extract_folder(tmp_path, ExtractSpec(), 3.0)
    assert [one.source for one in phrases] == [
        "sub/a.MID track 1 channel 1 at 0.00 s",
        "sub/a.MID track 1 channel 4 at 0.00 s",
        "sub/a.MID track 2 at 0.00 s",
    ]


def test_phrases_run_over_the_files_and_repeat_exactly(tmp_path: Path) -> None:
    for name in ("b", "a"):
        save(tmp_path / f"{name}.mid", track(scale(12)))
    phrases, _ = extract_folder(tmp_path, ExtractSpec(), 3.0)
    assert [one.source.split()[0] for one in phrases] == ["a.mid", "b.mid", "a.mid", "b.mid"]
    assert extract_folder(tmp_path, ExtractSpec(), 3.0)[0] == phrases
    assert len(extract_folder(tmp_path, ExtractSpec(hop_s=1.0), 3.0)[0]) > len(phrases)


def test_windows_that_are_not_phrases_are_counted(tmp_path: Path) -> None:
    wide = [(k * BEAT, (k + 1) * BEAT, pitch) for k, pitch in enumerate((30, 60, 62, 90, 60, 60))]
    save(tmp_path / "a.mid", track([*wide, *scale(6, 6 * BEAT), (12 * BEAT, 13 * BEAT, 60)]))
    phrases, skipped = extract_folder(tmp_path, ExtractSpec(), 3.0)
    assert len(phrases) == 1
    assert skipped == [
        "a.mid track 0 at 0.00 s: pitches 30..90 in the register, expected 48..79",
        "a.mid track 0 at 6.00 s: 1 notes, expected 4..24",
    ]


def test_the_highest_line_is_kept_of_a_polyphonic_track(tmp_path: Path) -> None:
    melody = [(k * BEAT, (k + 1) * BEAT, 72 + k) for k in range(6)]
    chords = [(k * BEAT, (k + 1) * BEAT, low) for k in range(6) for low in (48, 52, 55)]
    drone = [(0, 6 * BEAT, 36)]
    path = save(tmp_path / "a.mid", track(melody + chords + drone))
    (line,), _ = read_parts(path)
    assert [n.pitch for n in skyline(line.notes)] == [72 + k for k in range(6)]
    (one,), _ = extract_folder(tmp_path, ExtractSpec(), 3.0)
    assert [n.pitch for n in one.notes] == [60 + k for k in range(6)]


def test_a_held_note_ends_where_a_higher_one_starts(tmp_path: Path) -> None:
    path = save(
        tmp_path / "a.mid", track([(0, 4 * BEAT, 60), (BEAT, 2 * BEAT, 67), (3 * BEAT, 4 * BEAT, 58)])
    )
    (line,), _ = read_parts(path)
    assert [(n.pitch, n.onset, n.off) for n in skyline(line.notes)] == [
        (60, 0, 0.5),
        (67, 0.5, 1.0),
        (58, 1.5, 2.0),
    ]


def test_refuse_names_the_polyphonic_file_but_lets_legato_pass(tmp_path: Path) -> None:
    legato = [(k * BEAT, (k + 1) * BEAT + 20, 60 + k) for k in range(6)]  # 21 ms of overlap
    save(tmp_path / "legato.mid", track(legato))
    (one,), _ = extract_folder(tmp_path, ExtractSpec(polyphony="refuse"), 3.0)
    assert len(one.notes) == 6
    save(tmp_path / "poly.mid", track([*scale(6), (BEAT, 3 * BEAT, 48)]))
    with pytest.raises(InputError, match=r"poly\.mid: track 0 is polyphonic \(at 0\.50 s") as caught:
        extract_folder(tmp_path, ExtractSpec(polyphony="refuse"), 3.0)
    assert "skyline" in str(caught.value)


def bad_text(path: Path) -> None:
    path.write_text("These are not the bytes you are looking for.\n" * 10)


def bad_empty(path: Path) -> None:
    path.write_bytes(b"")


def bad_truncated(path: Path) -> None:
    save(path, track(scale(20)))
    path.write_bytes(path.read_bytes()[:60])


def bad_silent(path: Path) -> None:
    save(path, track([], tempos=[(0, 400_000)]))


def bad_smpte(path: Path) -> None:
    save(path, track(scale(8)))
    data = bytearray(path.read_bytes())
    data[12:14] = bytes([0xE7, 40])  # 25 frames a second, 40 ticks a frame
    path.write_bytes(bytes(data))


def bad_independent(path: Path) -> None:
    mido.MidiFile(type=2, tracks=[track(scale(8)), track(scale(8))]).save(path)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (bad_text, "not a MIDI file"),
        (bad_empty, "not a MIDI file"),
        (bad_truncated, "ends too early"),
        (bad_silent, "contains no notes"),
        (bad_smpte, "SMPTE"),
        (bad_independent, "type 2"),
    ],
)
def test_one_bad_file_in_a_folder_is_named(tmp_path: Path, make, says: str) -> None:  # type: ignore[no-untyped-def]
    save(tmp_path / "good.mid", track(scale(8)))
    make(tmp_path / "wrong.mid")
    with pytest.raises(InputError, match=says) as caught:
        extract_folder(tmp_path, ExtractSpec(), 3.0)
    message = str(caught.value)
    assert str(tmp_path / "wrong.mid") in message
    assert "\n" not in message


def test_folders_with_nothing_in_them_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        extract_folder(tmp_path / "missing", ExtractSpec(), 3.0)
    with pytest.raises(InputError, match=r"contains no \.mid files"):
        extract_folder(tmp_path, ExtractSpec(), 3.0)
    save(tmp_path / "drums.mid", track(scale(8), channel=9))
    with pytest.raises(InputError, match=r"no phrase found in 1 files.*percussion"):
        extract_folder(tmp_path, ExtractSpec(), 3.0)
