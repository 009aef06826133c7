"""Folders of audio files as they are out there: odd endings, litter, bad files among good ones."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import soundfile

from tests.support import commands, litter, odd_audio
from tests.support.sounds import sine


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Writes four pairs with one conversion each, every other pair with endings in capitals."""
    pairs = tmp_path / "pairs"
    pairs.mkdir()
    for pair in range(4):
        for name, level in (("orig", 0.5), ("ref", 0.4), ("gt", 0.8), ("mine", 0.79)):
            ending = "wav" if pair % 2 else "WAV"
            sound = sine(220 * (pair + 2) / 2)[:11_025] * level
            soundfile.write(pairs / f"{pair}_{name}.{ending}", sound, 44_100, format="WAV")
    litter.scatter(pairs)
    (pairs / "notes.txt").write_text("mine")
    return pairs


def test_endings_in_capitals_are_scored_and_litter_is_not(folder: Path, tmp_path: Path) -> None:
    soundfile.write(folder / "3_gt.flac", sine(220)[:11_025], 44_100)
    out = commands.succeed("train", "evaluate", "--folder", folder, "--out", tmp_path / "s", "--workers", "1")
    assert len(set(pd.read_parquet(tmp_path / "s" / "scores.parquet")["pair"])) == 4
    assert "3_gt.wav: left out, since 3_gt.flac has the same pair" in out
    assert "1 files were passed over by their names (.txt 1), such as notes.txt" in out
    assert "._" not in out


def test_bad_recordings_are_found_in_one_run(folder: Path, tmp_path: Path) -> None:
    (folder / "0_ref.WAV").write_bytes(b"no sound")
    (folder / "1_mine.wav").write_bytes(odd_audio.at_rate(1))
    (folder / "2_mine.WAV").write_bytes(odd_audio.wav(0))
    command = ("train", "evaluate", "--folder", folder, "--out", tmp_path / "scores", "--workers", "1")
    refused = commands.run(*command)
    assert refused.returncode == 2
    assert f"error: {folder}/0_ref.WAV: not a readable audio file" in refused.stderr
    assert f"error: {folder}/1_mine.wav: its header says 1 Hz" in refused.stderr
    assert "2 files cannot be read; --skip-bad" in refused.stderr
    assert not (tmp_path / "scores" / "scores.parquet").exists()
    out = commands.succeed(*command, "--skip-bad")
    assert "2 of 16 files left out" in out
    assert "2 of 4 pairs left out with them" in out
    assert "its header states a wrong size" in out
    assert len(set(pd.read_parquet(tmp_path / "scores" / "scores.parquet")["pair"])) == 2
