"""A release: fp16 parts that load as one, a card with nothing made up, and the whole script at toy scale."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml
from typer.testing import CliRunner

from manifests.dataset.bank import Bank
from manifests.types import InputError
from tests.support import rendered
from tests.support.paths import ROOT
from tests.support.training.short_runs import SETTINGS
from tests.support.training.tiny_codec import make_checkpoint
from train.audio.files import write_audio
from train.checkpoint import read_weights, save_weights
from train.cli.app import app, register
from train.codec.api import load_codec
from train.codec.release import HEADER, LIMIT, write_parts
from train.codec.release_card import TO_SAY
from train.codec.released import released_checkpoint
from train.data.bank.clips import compose_clips
from train.data.pairs import draw_pairs


@pytest.fixture(scope="module")
def checkpoint(banked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("weights") / "best.safetensors", Bank(banked / "tones"))


def test_parts_load_as_the_one_checkpoint(checkpoint: Path, tmp_path: Path) -> None:
    weights, metadata = read_weights(checkpoint)
    largest = max(value.numel() * 2 for value in weights.values())
    total = sum(value.numel() * 2 for value in weights.values())
    paths = write_parts(checkpoint, tmp_path, HEADER + max(largest, total // 3))
    assert [path.name for path in paths][:1] == [f"model-00001-of-{len(paths):05d}.safetensors"]
    assert len(paths) >= 3
    assert all(path.stat().st_size < HEADER + max(largest, total // 3) for path in paths)
    again, theirs = read_weights(paths[0])
    assert theirs == metadata
    assert again.keys() == weights.keys()
    for name, value in weights.items():
        assert again[name].dtype == value.dtype
        torch.testing.assert_close(again[name], value, rtol=1e-3, atol=1e-7)
    load_codec(paths[0])
    with pytest.raises(InputError, match="name the first part, model-00001"):
        read_weights(paths[1])
    save_weights(paths[1], read_weights(checkpoint)[0], {**metadata, "step": "2"})
    with pytest.raises(InputError, match="its part 2 belongs to another checkpoint"):
        read_weights(paths[0])
    paths[1].unlink()
    with pytest.raises(InputError, match=r"model-00002-of-\d{5}\.safetensors: no such checkpoint"):
        read_weights(paths[0])


def test_the_released_codec_is_the_one_that_is_used(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.codec.released.FOLDER", tmp_path / "train" / "released_weights")
    with pytest.raises(InputError, match="released_weights: no released weights there; name a checkpoint"):
        released_checkpoint()
    largest = max(value.numel() * 2 for value in read_weights(checkpoint)[0].values())
    paths = write_parts(checkpoint, tmp_path / "train" / "released_weights", HEADER + largest)
    assert len(paths) > 1
    assert released_checkpoint() == paths[0]
    time_s = np.arange(44_100) / 44_100
    write_audio(tmp_path / "a.wav", 0.3 * np.sin(2 * np.pi * 440.0 * time_s).astype(np.float32), 44_100)
    register(["convert"])
    said = CliRunner().invoke(app, ["convert", "--source", f"{tmp_path}/a.wav", "--out", f"{tmp_path}/b.wav"])
    assert said.exit_code == 0, said.output
    assert soundfile.info(tmp_path / "b.wav").frames == 44_100
    for needed in ("pyproject.toml", "constraints.txt"):
        (tmp_path / needed).touch()
    makefile = ["make", "-n", "-f", str(ROOT / "Makefile"), "demo"]
    demo = subprocess.run(makefile, cwd=tmp_path, capture_output=True, text=True, check=False).stdout
    assert f"--checkpoint released=train/released_weights/{paths[0].name}" in demo
    write_parts(checkpoint, tmp_path / "train" / "released_weights", LIMIT)
    assert released_checkpoint().name == "model.safetensors"


def test_weights_that_half_precision_cannot_hold_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    weights, metadata = read_weights(checkpoint)
    name = sorted(weights)[0]
    save_weights(tmp_path / "big.safetensors", {**weights, name: weights[name] + 1e6}, metadata)
    with pytest.raises(InputError, match=rf"big\.safetensors: weight '{name}' reaches 1e\+06"):
        write_parts(tmp_path / "big.safetensors", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_release_says_what_it_is_and_what_is_missing(
    checkpoint: Path, banked: Path, tmp_path: Path
) -> None:
    out = tmp_path / "release"
    command = ("train", "release", "--checkpoint", checkpoint, "--out", out, "--clips", "2", "--data")
    rendered.succeed(*command, banked / "tones")
    card = (out / "README.md").read_text()
    assert yaml.safe_load(card.split("---")[1])["tags"][0] == "audio"
    assert "| builtin | 4 | 2 | Apache-2.0, as this project |" in card
    assert card.count(TO_SAY) == 2, "scores, failures"
    assert Bank(banked / "tones").metadata()["fingerprint"] in card
    clips = sorted(path.name for path in (out / "clips").iterdir())
    assert len(clips) == 8
    assert "01_timbre_validation_made.flac" in clips
    refused = rendered.command(*command, banked)
    assert refused.returncode == 2
    assert "was not trained from" in refused.stderr


@pytest.mark.verify
def test_the_release_script_from_nothing_to_a_release(banked: Path, tmp_path: Path) -> None:
    settings = {**SETTINGS, "steps": 100_000, "minutes": 0.8, "batch": 2}
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(settings))
    config = rendered.write_config(tmp_path)
    pairs, bank = tmp_path / "pairs", Bank(banked / "tones")
    for number, pair in enumerate(draw_pairs(bank, "validation", "both", 2, 1)):
        clips = compose_clips(bank, [pair.source, pair.reference, pair.target])
        roles = {"orig": pair.source, "ref": pair.reference, "gt": pair.target, "copy": pair.reference}
        for role, key in roles.items():
            write_audio(pairs / f"{number:02d}_{role}.wav", clips[key] / np.float32(32767), 44_100)
    environment = {
        **os.environ, "DATASET": str(config), "TRAIN": str(tmp_path / "train.yaml"), "PAIRS": str(pairs),
        "COMMANDS": "4", "COMMAND_S": "30", "SCORED": "2", "PYTHON": str(ROOT / ".venv" / "bin" / "python"),
    }  # fmt: skip
    out = tmp_path / "out"
    script = ROOT / "scripts" / "train_release.sh"
    done = subprocess.run([script, out], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "training, command 2 of 4" in done.stderr
    assert rendered.contents(out / "dataset" / "tones") == rendered.contents(banked / "tones")
    weights = list((out / "release").glob("model*.safetensors"))
    assert weights
    assert all(path.stat().st_size < 16 * 2**20 for path in weights)
    made = sorted((out / "release" / "clips").glob("*_made.flac"))
    assert len(made) == 12
    assert all(np.abs(soundfile.read(path)[0]).max() > 0.0 for path in made)
    card = (out / "release" / "README.md").read_text()
    for split in ("test_unseen_timbre", "test_unseen_envelope", "test_unseen_phrase", "test_unseen_all"):
        assert f"### {split}, both" in card
    assert card.count(TO_SAY) == 1
    assert "triptych" in (out / "given" / "scores" / "report.md").read_text().lower()
    assert len(list((out / "given" / "files").glob("*_triptych.wav"))) == 2
    assert any((out / "run" / "logs").iterdir())
