"""scripts/train_release.sh, from nothing to a release, with toy settings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from manifests.dataset.bank import Bank
from tests.support import datasets
from tests.support.paths import ROOT
from tests.support.training.short_runs import SETTINGS
from train.audio.files import write_audio
from train.codec.release_card import TO_DO
from train.data.bank.clips import compose_clips
from train.data.pairs import draw_pairs


@pytest.mark.verify
def test_the_release_script_from_nothing_to_a_release(banked: Path, tmp_path: Path) -> None:
    settings = {**SETTINGS, "steps": 100_000, "minutes": 0.8, "batch": 2}
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(settings))
    config = datasets.write_config(tmp_path)
    pairs, bank = tmp_path / "pairs", Bank(banked / "tones")
    for number, pair in enumerate(draw_pairs(bank, "validation", "both", 2, 1)):
        clips = compose_clips(bank, [pair.source, pair.reference, pair.target])
        roles = {"orig": pair.source, "ref": pair.reference, "gt": pair.target, "copy": pair.reference}
        for role, key in roles.items():
            write_audio(pairs / f"{number:02d}_{role}.wav", clips[key] / np.float32(32767), 44_100)
    environment = {
        **os.environ, "DATASET": str(config), "TRAIN": str(tmp_path / "train.yaml"), "PAIRS": str(pairs),
        "COMMANDS": "4", "COMMAND_S": "30", "SCORED": "2", "PYTHON": sys.executable,
    }  # fmt: skip
    out = tmp_path / "out"
    script = ROOT / "scripts" / "train_release.sh"
    done = subprocess.run([script, out], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "training, command 2 of 4" in done.stderr
    assert datasets.file_hashes(out / "dataset" / "tones") == datasets.file_hashes(banked / "tones")
    weights = list((out / "release").glob("model*.safetensors"))
    assert weights
    assert all(path.stat().st_size < 16 * 2**20 for path in weights)
    made = sorted((out / "release" / "clips").glob("*_made.flac"))
    assert len(made) == 6
    assert all(np.abs(soundfile.read(path)[0]).max() > 0.0 for path in made)
    card = (out / "release" / "README.md").read_text()
    for split in ("test_unseen_timbre", "test_unseen_envelope", "test_unseen_phrase", "test_unseen_all"):
        assert f", {split}, mean over the kinds" in card
    assert TO_DO not in card
    assert "triptych" in (out / "given" / "scores" / "report.md").read_text().lower()
    assert len(list((out / "given" / "files").glob("*_triptych.wav"))) == 2
    assert any((out / "run" / "logs").iterdir())
