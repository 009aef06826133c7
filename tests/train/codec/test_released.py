"""The released codec is the default checkpoint of commands and of the Makefile."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from manifests.types import InputError
from tests.support.paths import ROOT
from train.audio.files import write_audio
from train.checkpoint import read_weights
from train.cli.app import app, register
from train.codec.release import HEADER_BYTES, MAX_FILE_BYTES, write_parts
from train.codec.released import released_checkpoint


def test_the_released_codec_is_the_one_that_is_used(
    release_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.codec.released.FOLDER", tmp_path / "train" / "released_weights")
    with pytest.raises(InputError, match="released_weights: no released weights there; name a checkpoint"):
        released_checkpoint()
    largest = max(value.numel() * 2 for value in read_weights(release_checkpoint)[0].values())
    paths = write_parts(release_checkpoint, tmp_path / "train" / "released_weights", HEADER_BYTES + largest)
    assert len(paths) > 1
    assert released_checkpoint() == paths[0]
    time_s = np.arange(44_100) / 44_100
    write_audio(tmp_path / "a.wav", 0.3 * np.sin(2 * np.pi * 440.0 * time_s).astype(np.float32), 44_100)
    register(["convert"])
    result = CliRunner().invoke(
        app, ["convert", "--source", f"{tmp_path}/a.wav", "--out", f"{tmp_path}/b.wav"]
    )
    assert result.exit_code == 0, result.output
    assert soundfile.info(tmp_path / "b.wav").frames == 44_100
    for needed in ("pyproject.toml", "constraints.txt"):
        (tmp_path / needed).touch()
    makefile = ["make", "-n", "-f", str(ROOT / "Makefile"), "demo"]
    demo = subprocess.run(makefile, cwd=tmp_path, capture_output=True, text=True, check=False).stdout
    assert f"--checkpoint released=train/released_weights/{paths[0].name}" in demo
    write_parts(release_checkpoint, tmp_path / "train" / "released_weights", MAX_FILE_BYTES)
    assert released_checkpoint().name == "model.safetensors"
