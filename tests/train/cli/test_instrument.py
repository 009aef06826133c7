"""The command that writes instruments: what it writes, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.support.sounds import sine
from tests.train.cli.test_refusals import run_and_read_error
from train.audio.files import write_audio

RATE = 44_100


def test_a_recording_becomes_an_instrument(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_audio(tmp_path / "lead 1.wav", sine(220.0, 1.0).astype("float32"), RATE)
    arguments = ["instrument", tmp_path / "lead 1.wav", "--out", tmp_path / "out", "--lowest", 57]
    assert run_and_read_error(monkeypatch, capsys, *arguments, "--highest", 60, "--release-ms", 90)[0] == 0
    names = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*"))
    assert names == ["lead-1-samples/058.flac", "lead-1.sf2", "lead-1.sfz"]
    assert "release 90.0 ms" in (tmp_path / "out" / "lead-1.sfz").read_text()


def test_bad_recordings_are_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.wav").write_text("no audio")
    (tmp_path / "film.mp4").write_bytes(b"\0\0\0\x20ftypisom" + bytes(5000))
    soundfile.write(tmp_path / "long.flac", np.zeros(600 * 8000, dtype=np.int16), 8000)
    soundfile.write(tmp_path / "silence.wav", np.zeros(RATE, dtype=np.int16), RATE)
    for name, reason in (
        ("text.wav", "not a readable audio file"),
        ("film.mp4", "not a readable audio file"),
        ("long.flac", "longer than 60 s; cut out the phrase that is meant"),
        ("silence.wav", "no note is heard, so there is nothing to encode"),
        ("none.wav", "no such file"),
    ):
        code, line = run_and_read_error(
            monkeypatch, capsys, "instrument", tmp_path / name, "--out", tmp_path / "out"
        )
        assert code == 2, name
        assert line.startswith(f"error: {tmp_path / name}: {reason}"), line
    assert not (tmp_path / "out").exists()
