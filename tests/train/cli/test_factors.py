"""`train convert`, `describe`, `encode` and `decode` on files."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import mido
import numpy as np
import soundfile
from typer.testing import CliRunner

from tests.support.tunes import RATE, tune
from train.cli.app import app, register


def run(*arguments: object) -> str:
    """Runs a `train` command that must succeed; returns stdout and stderr together."""
    register(["convert", "describe", "encode", "decode"])
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_commands_on_files(checkpoint: Path, tmp_path: Path) -> None:
    """Converts stereo at 32 kHz by mono at 44.1 kHz, to factors and back, with notes as MIDI."""
    a, b = tmp_path / "a.wav", tmp_path / "b.flac"
    soundfile.write(a, np.stack([tune(), 0.5 * tune()], axis=1)[::2], 22_050)
    soundfile.write(b, tune(0.5, timbre=2), RATE)
    output = run(
        "convert",
        "--checkpoint",
        checkpoint,
        "--source",
        a,
        "--reference",
        b,
        "--out",
        tmp_path / "y.wav",
        "--release-ms",
        "x2",
        "--sustain",
        0.3,
    )
    assert "2 channels, mixed to mono" in output
    assert "22050 Hz, resampled to 44100 Hz" in output
    assert "sustain 0.300" in output
    told = run("describe", "--checkpoint", checkpoint, b, "--midi", tmp_path / "b.mid")
    described = json.loads(told[told.index("{") : told.rindex("}") + 1])
    assert set(described["confidence"]) == {"attack_ms", "hold_ms", "decay_ms", "sustain", "release_ms"}
    assert all(0.0 <= value <= 1.0 for value in described["confidence"].values())
    assert described["nearest_timbres"] == [{"name": "one", "probability": 1.0}]
    played = [
        m for m in mido.MidiFile(file=BytesIO((tmp_path / "b.mid").read_bytes())) if m.type == "note_on"
    ]
    assert [m.note for m in played] == [note["pitch"] for note in described["notes"]]
    run("encode", "--checkpoint", checkpoint, a, "--out", tmp_path / "fa")
    run("encode", "--checkpoint", checkpoint, b, "--out", tmp_path / "fb")
    output = run(
        "decode",
        "--checkpoint",
        checkpoint,
        tmp_path / "fa",
        "--timbre",
        tmp_path / "fb",
        "--towards",
        tmp_path / "fa",
        "--attack-ms",
        3,
        "--out",
        tmp_path / "z.wav",
    )
    assert "attack 3.0 ms" in output
    made, rate = soundfile.read(tmp_path / "z.wav")
    assert (rate, len(made)) == (RATE, round(0.8 * RATE))
    assert np.abs(made).max() > 0.01
