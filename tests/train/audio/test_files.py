"""Audio files: written without clipping, read in pieces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.support.tunes import RATE
from train.audio import files as audio_files


def test_audio_above_full_scale_is_scaled_not_clipped(tmp_path: Path) -> None:
    tone = np.asarray(2.0 * np.sin(np.arange(RATE) / 20.0), dtype=np.float32)
    for name, audio, factor in (
        ("loud.wav", tone, 0.5),
        ("fits.wav", 0.4 * tone, 1.0),
        ("none.wav", 0 * tone, 1.0),
    ):
        assert audio_files.write_audio(tmp_path / name, audio, RATE) == pytest.approx(factor, abs=1e-3)
        written, _ = soundfile.read(tmp_path / name, dtype="float32")
        np.testing.assert_allclose(written, factor * audio, atol=1e-3)


def test_a_long_file_read_in_pieces_equals_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.asarray(0.3 * np.sin(np.arange(6 * 32_000) ** 1.3 / 900.0), dtype=np.float32)
    soundfile.write(tmp_path / "x.wav", noise, 32_000, subtype="FLOAT")
    complete = audio_files.read_recording(tmp_path / "x.wav", RATE).audio
    monkeypatch.setattr(audio_files, "PIECE_S", 1)
    monkeypatch.setattr(audio_files, "ON_DISK_S", 1.0)
    pieces = audio_files.read_recording(tmp_path / "x.wav", RATE).audio
    assert isinstance(pieces, np.memmap)
    np.testing.assert_allclose(pieces, complete, atol=1e-4)
    plain = audio_files.read_recording(tmp_path / "x.wav", 32_000).audio
    np.testing.assert_array_equal(plain, noise)
