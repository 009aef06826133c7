"""The benchmark of hearing: scores of notes, note-offs that can be heard, test sets and the table."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.hearing import __main__ as command
from benchmarks.hearing.clip_set import Heard, Truth, draw_test_set, read_heard, read_truths
from benchmarks.hearing.given_pairs import pair_test_set
from benchmarks.hearing.notes import can_be_heard, f1, note_scores
from benchmarks.hearing.table import clip_scores
from manifests.dataset.layout import Layout
from manifests.synthesis import compose
from manifests.types import ClipId, Envelope, InputError, Note, Notes
from tests.support.synthetic_dataset import CUT_FADE_MS, make_dataset, make_tone
from tests.support.training.tiny_codec import make_checkpoint
from train.data.clips import read_clips
from train.data.tables import Tables

RATE = 44_100
ORGAN = Envelope(attack_ms=10, decay_ms=0, sustain=1.0, release_ms=100)
PLUCK = Envelope(attack_ms=10, decay_ms=100, sustain=0.0, release_ms=100)
TUNE = (Note(0.0, 0.5, 60, 100), Note(1.0, 0.25, 64, 100), Note(1.5, 0.5, 60, 100))


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return make_dataset(tmp_path_factory.mktemp("hearing") / "data", train=(2, 2, 4), seconds=1.0)


def moved(notes: Notes, **changes: float) -> Notes:
    """Adds to fields of every note."""
    return tuple(
        replace(note, **{name: getattr(note, name) + change for name, change in changes.items()})
        for note in notes
    )


def test_the_matching_is_the_largest_one() -> None:
    """Taking the first match of each note in turn would find two."""
    allowed = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 1]], dtype=bool)
    assert f1(allowed) == 1.0
    assert f1(np.array([[1, 1], [0, 0], [0, 0]], dtype=bool)) == pytest.approx(2 / 5)
    assert f1(np.zeros((0, 3), dtype=bool)) == f1(np.zeros((3, 0), dtype=bool)) == 0.0


@pytest.mark.parametrize(
    ("heard", "expected"),
    [
        (TUNE, {"onset": 1.0, "pitch": 1.0, "offset": 1.0}),
        (moved(TUNE, onset=0.05), {"onset": 1.0, "pitch": 1.0, "offset": 1.0}),
        (moved(TUNE, onset=0.051), {"onset": 0.0, "pitch": 0.0, "offset": 0.0}),
        (moved(TUNE, pitch=1), {"onset": 1.0, "pitch": 0.0, "offset": 0.0}),
        # 20% of half a second are 100 ms; a quarter of a second has the least tolerance, 50 ms.
        (moved(TUNE, duration=0.09), {"onset": 1.0, "pitch": 1.0, "offset": 2 / 3}),
        (TUNE[:1], {"onset": 0.5, "pitch": 0.5, "offset": 0.5}),
        ((), {"onset": 0.0, "pitch": 0.0, "offset": 0.0}),
    ],
)
def test_scores_of_notes_worked_by_hand(heard: Notes, expected: dict[str, float]) -> None:
    scores = note_scores(heard, TUNE, ORGAN, 3.0)
    assert {name: scores[name] for name in expected} == pytest.approx(expected)


def test_the_told_octave_is_the_common_shift_that_fits_best() -> None:
    heard = (*moved(TUNE[:2], pitch=-24), TUNE[2])
    scores = note_scores(heard, TUNE, ORGAN, 3.0)
    assert scores["octave_shift"] == -2
    assert scores["pitch"] == pytest.approx(1 / 3)
    assert scores["pitch_told"] == scores["offset_told"] == pytest.approx(2 / 3)


def test_a_note_off_can_be_heard_if_the_note_would_sound_on() -> None:
    assert can_be_heard(TUNE, ORGAN, 3.0) == [True, True, True]
    assert can_be_heard(TUNE, PLUCK, 3.0) == [False, False, False], "it has died away before"
    legato = (Note(0.0, 1.0, 60, 100), Note(1.0, 2.0, 62, 100))
    assert can_be_heard(legato, ORGAN, 3.0) == [False, False], "the next onset or the end cuts it"
    assert can_be_heard(legato, ORGAN, 3.5) == [False, True]


def test_offsets_that_make_no_difference_are_forgiven() -> None:
    early = moved(TUNE, duration=-0.15)
    plucked, held = note_scores(early, TUNE, PLUCK, 3.0), note_scores(early, TUNE, ORGAN, 3.0)
    assert plucked["offset"] == held["offset"] == 0.0
    # The middle note lasts for 100 ms, and a pluck still sounds then.
    assert plucked["offset_heard"] == 1.0
    assert plucked["offset_played"] == pytest.approx(2 / 3)
    assert held["offset_heard"] == held["offset_played"] == 0.0


def test_a_legato_note_let_go_early_is_wrong_only_as_played() -> None:
    """Nothing tells the end of a legato note from the cut, but a rest in its place is heard."""
    truth = (Note(0.0, 1.0, 60, 100),)
    scores = note_scores((Note(0.0, 0.5, 60, 100),), truth, ORGAN, 1.0)
    assert scores["offset_heard"] == 1.0
    assert scores["offset_played"] == 0.0


def test_envelopes_are_scored_apart_and_a_release_only_where_it_is_heard() -> None:
    truth = Truth("a", "a", 3.0, TUNE, ORGAN, True, 1)
    longer = replace(ORGAN, release_ms=200)
    scores = clip_scores(Heard(TUNE, longer, 1), truth)
    assert scores["held_db"] == 0.0
    assert scores["release_db"] > 5.0
    assert scores["octave"] == 1.0
    scores = clip_scores(Heard(TUNE, PLUCK, 0), replace(truth, envelope=PLUCK))
    assert "release_db" not in scores
    assert scores["octave"] == 0.0


def test_a_test_set_holds_the_clips_bit_for_bit_with_their_truth(layout: Layout, tmp_path: Path) -> None:
    draw_test_set(layout.root, "train", 5, 1, tmp_path / "set")
    truths, tables = read_truths(tmp_path / "set"), Tables.open(layout.root)
    assert len(truths) == 5
    for truth in truths:
        id = ClipId.parse(truth.clip)
        assert truth.notes == tables.sounding_notes(id.timbre, id.phrase)
        assert truth.envelope == tables.envelopes[id.envelope]
        audio, rate = soundfile.read(tmp_path / "set" / "audio" / f"{truth.clip}.wav", dtype="int16")
        assert rate == tables.rate
        assert np.array_equal(audio, read_clips(layout, [truth.clip])[truth.clip])
    draw_test_set(layout.root, "train", 5, 1, tmp_path / "again")
    assert read_truths(tmp_path / "again") == truths
    draw_test_set(layout.root, "train", 5, 2, tmp_path / "other")
    assert read_truths(tmp_path / "other") != truths
    with pytest.raises(InputError, match="exists"):
        draw_test_set(layout.root, "train", 5, 1, tmp_path / "set")


def test_a_run_from_the_draw_to_the_table(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was played, given as heard by a system, scores perfectly."""
    checkpoint = make_checkpoint(tmp_path / "codec.safetensors", layout)
    folder = tmp_path / "set"
    for line in (
        ["draw", layout.root, folder, "--split", "train", "--clips", "3"],
        ["codec", checkpoint, folder, "--name", "tiny"],
        ["transcriber", folder],
    ):
        monkeypatch.setattr(sys, "argv", ["hearing", *map(str, line)])
        command.main()
    assert set(read_heard(folder)) == {"tiny", "transcriber"}
    perfect = {row["clip"]: row for row in json.loads((folder / "truth.json").read_text())}
    keys = ("notes", "envelope", "octave")
    (folder / "heard" / "perfect.json").write_text(
        json.dumps({clip: {key: row[key] for key in keys} for clip, row in perfect.items()})
    )
    capsys.readouterr()
    monkeypatch.setattr(
        sys, "argv", ["hearing", "table", str(folder), "--rows", str(tmp_path / "rows.parquet")]
    )
    command.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("|")[3].strip() for line in lines[2:]] == ["perfect", "tiny", "transcriber"]
    cells = [cell.strip() for cell in lines[2].split("|")[4:-1]]
    assert cells[:7] == ["1.000"] * 6 + ["0.00"]
    assert cells[-1] == "1.00"
    assert (tmp_path / "rows.parquet").exists()


def play(path: Path, notes: Notes, envelope: Envelope, timbre: int) -> None:
    frames = 3 * RATE
    tones = {note.pitch: make_tone(5, timbre, note.pitch, frames, RATE) for note in notes}
    sound = compose.gain(notes, envelope, RATE, frames, CUT_FADE_MS) * compose.dry(notes, tones, RATE, frames)
    soundfile.write(path, compose.to_int16(sound, compose.peak_value(-1.0))[0], RATE, subtype="PCM_16")


def test_notes_of_given_pairs_are_read_on_their_grid(tmp_path: Path) -> None:
    """The rest is heard in the source only, for the target's envelope has died away before it."""
    grid = [(0.0, 0.5, 60), (0.5, 0.25, 64), (1.0, 1.0, 67), (2.0, 1.0, 62)]
    phrase = tuple(Note(onset, duration, pitch, 100) for onset, duration, pitch in grid)
    other = tuple(
        Note(onset, duration, pitch, 100)
        for onset, duration, pitch in [(0.0, 1.0, 55), (1.0, 0.5, 57), (1.5, 0.5, 59), (2.0, 1.0, 60)]
    )
    for pair in ("1", "2"):
        play(tmp_path / f"{pair}_orig.wav", moved(phrase, pitch=12), ORGAN, 1)
        play(tmp_path / f"{pair}_gt.wav", phrase, PLUCK, 2)
    play(tmp_path / "1_ref.wav", moved(phrase, pitch=-12), PLUCK, 2)
    play(tmp_path / "2_ref.wav", other, PLUCK, 2)
    pair_test_set(tmp_path, 0.25, tmp_path / "set")
    truths = {truth.clip: truth for truth in read_truths(tmp_path / "set")}
    assert {truth.group for truth in truths.values()} == {"1"}, "both pairs have one target"

    def times(notes: Notes | None) -> list[tuple[float, float, int]]:
        return [(note.onset, note.duration, note.pitch) for note in notes or ()]

    assert times(truths["1_orig"].notes) == times(moved(phrase, pitch=12))
    assert times(truths["1_ref"].notes) == times(moved(phrase, pitch=-12))
    assert truths["2_ref"].notes is None, "no other recording confirms it"
    envelope = truths["1_ref"].envelope
    assert envelope is not None
    assert envelope.decay_ms == pytest.approx(PLUCK.decay_ms, rel=0.1)
    assert envelope.sustain < 0.02
    assert (truths["1_ref"].states_envelope, truths["1_orig"].states_envelope) == (True, False)


def test_a_folder_without_pairs_or_truth_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match=r"no file \*_gt.wav"):
        pair_test_set(tmp_path, 0.25, tmp_path / "set")
    with pytest.raises(InputError, match=r"no truth\.json"):
        read_truths(tmp_path)
    monkeypatch.setattr(sys, "argv", ["hearing", "transcriber", str(tmp_path)])
    with pytest.raises(SystemExit, match="2"):
        command.main()
    assert len(capsys.readouterr().err.splitlines()) == 1
