"""`train convert` on files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "train", *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_convert_reports_resampling_and_refuses_bad_input(finished: Path, tmp_path: Path) -> None:
    checkpoint = finished / "best.safetensors"
    time_s = np.arange(24_000) / 24_000
    tone = 0.5 * np.sin(2 * np.pi * 262.0 * time_s) * (time_s > 0.1)
    soundfile.write(tmp_path / "stereo.wav", np.stack([tone, tone], axis=1), 24_000)
    (tmp_path / "text.wav").write_text("this is no audio")
    out = tmp_path / "out.wav"
    done = run(
        "convert", "--checkpoint", checkpoint, "--source", tmp_path / "stereo.wav", "--out", out,
        "--attack-ms", 12.5, "--release-ms", 40,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "stereo.wav: 2 channels, mixed to mono" in done.stderr
    assert "stereo.wav: 24000 Hz, resampled to 44100 Hz" in done.stderr
    assert "attack 12.5 ms" in done.stdout
    assert "release 40.0 ms" in done.stdout
    audio, rate = soundfile.read(out)
    assert (rate, audio.shape) == (44_100, (44_100,))
    for arguments, message in (
        (["--source", tmp_path / "text.wav"], "text.wav: not a readable audio file"),
        (["--source", tmp_path / "none.wav"], "none.wav: no such file"),
        (["--source", tmp_path / "stereo.wav", "--take", "timbre"], "--take: needs a --reference"),
        (
            ["--source", tmp_path / "stereo.wav", "--reference", tmp_path / "stereo.wav", "--take", "pitch"],
            "expected timbre, envelope or timbre,envelope",
        ),
    ):
        done = run("convert", "--checkpoint", checkpoint, "--out", tmp_path / "never.wav", *arguments)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert message in done.stderr
    assert not (tmp_path / "never.wav").exists()
