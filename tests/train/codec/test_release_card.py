"""The release card: what a release says of itself, and what is missing."""

from __future__ import annotations

from pathlib import Path

import yaml

from manifests.dataset.bank import Bank
from tests.support import commands
from train.codec.release_card import TO_DO


def test_a_release_card_states_what_is_missing(
    release_checkpoint: Path, banked: Path, tmp_path: Path
) -> None:
    out = tmp_path / "release"
    command = ("train", "release", "--checkpoint", release_checkpoint, "--out", out, "--clips", "2", "--data")
    commands.succeed(*command, banked / "tones")
    card = (out / "README.md").read_text()
    assert yaml.safe_load(card.split("---")[1])["tags"][0] == "audio"
    assert "| builtin | 4 | 2 | Apache-2.0, as this project |" in card
    assert card.count(TO_DO) == 2, "scores, failures"
    assert Bank(banked / "tones").metadata()["fingerprint"] in card
    clips = sorted(path.name for path in (out / "clips").iterdir())
    assert len(clips) == 8
    assert "01_timbre_validation_made.flac" in clips
    refused = commands.run(*command, banked)
    assert refused.returncode == 2
    assert "was not trained on" in refused.stderr
