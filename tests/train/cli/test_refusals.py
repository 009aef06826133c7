"""Bad files and arguments give a one-line error that names the file."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from manifests.dataset.layout import Layout
from tests.support.paths import TINY_CODEC
from tests.support.sounds import sine
from train.audio.files import write_audio
from train.cli.app import main

NUMBERS = '{"attack_ms": %s, "decay_ms": 1, "sustain": 1, "release_ms": 1}'


def run_and_read_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> tuple[int, str]:
    """Runs a `train` command. Returns its exit code and, where it failed, its last line on stderr."""
    monkeypatch.setattr(sys, "argv", ["train", *map(str, arguments)])
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main()
    lines = capsys.readouterr().err.strip().splitlines()
    return int(ended.value.code or 0), lines[-1] if lines else ""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_audio(tmp_path / "a.wav", sine(220.0, 0.5).astype("float32"), 44_100)
    (tmp_path / "file").write_text("no folder")
    return tmp_path


def test_unwritable_files_give_a_one_line_error(
    folder: Path, codec_checkpoint: Path, held_out: Layout, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    weights, wav = ["--checkpoint", codec_checkpoint], folder / "a.wav"
    data = ["--data", held_out.root, "--split", "validation"]
    inside = folder / "file"
    for command, out, reason in (
        (["convert", *weights, "--source", wav, "--out"], inside / "y.wav", "File exists"),
        (["convert", *weights, "--source", wav, "--out"], Path("/proc/y.wav"), "Error opening"),
        (["describe", *weights, wav, "--midi"], inside / "y.mid", "File exists"),
        (["describe", *weights, wav, "--midi"], folder, "Is a directory"),
        (["encode", *weights, wav, "--out"], inside, "File exists"),
    ):
        code, line = run_and_read_error(monkeypatch, capsys, *command, out)
        assert code == 2, command
        assert line.startswith(f"error: {out}: cannot be written ({reason}"), line
    # Without a message of our own, the operating system's ends the command.
    page = ["page", *weights, *data, "--pairs-per-kind", 1, "--out"]
    assert run_and_read_error(monkeypatch, capsys, *page, inside / "y.html") == (
        1,
        f"error: {inside}: File exists",
    )
    assert run_and_read_error(monkeypatch, capsys, *page, folder) == (1, f"error: {folder}: Is a directory")
    assert sorted(path.name for path in folder.iterdir()) == ["a.wav", "file"]


def test_invalid_names_and_numbers_give_a_one_line_error(
    folder: Path, codec_checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = ["--checkpoint", codec_checkpoint]
    # The output's name is checked before the source.
    code, line = run_and_read_error(
        monkeypatch, capsys, "convert", *weights, "--source", folder / "none.wav", "--out", folder / "y.mp3"
    )
    assert (code, line) == (2, f"error: {folder / 'y.mp3'}: expected a name that ends in .wav or .flac")
    notes = [{"onset": 0.0, "duration": 0.5, "pitch": 60, "velocity": 100}]
    (folder / "notes.json").write_text(json.dumps({"seconds": 1, "notes": notes}))
    for value in ('"x"', "[1]", "true", "null"):
        (folder / "envelope.json").write_text(NUMBERS % value)
        code, line = run_and_read_error(
            monkeypatch, capsys, "decode", *weights, "--out", folder / "y.wav", folder
        )
        expected = f"attack_ms: expected a number, got {json.loads(value)!r}"
        assert (code, line) == (2, f"error: {folder / 'envelope.json'}: {expected}")


def test_a_file_given_as_dataset_gives_a_one_line_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("fit", TINY_CODEC, "--data", folder / "file", "--out", folder / "run")
    code, line = run_and_read_error(monkeypatch, capsys, *arguments)
    assert code == 2
    assert line.startswith(f"error: {folder / 'file'}: no dataset.json there")
