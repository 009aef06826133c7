"""`synth:` as the path of a user's profile: rendered, audited, rendered again."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

from presets.synths.profile import PROFILE_FOLDER, load_profile
from tests.support import commands, datasets


@pytest.fixture
def own(amsynth: Path, tmp_path: Path) -> Path:
    """Writes amsynth's profile under another name, as a user would for another synth."""
    profile = yaml.safe_load((PROFILE_FOLDER / "amsynth.yaml").read_text())
    banks = load_profile("amsynth").banks
    profile |= {"name": "mine", "plugin": str(amsynth), "also_tried": [], "banks": str(banks)}
    path = tmp_path / "profiles" / "own.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(profile))
    return path


@pytest.mark.plugins
def test_a_users_profile_renders_and_rerenders(own: Path, tmp_path: Path) -> None:
    timbres = [*datasets.TINY["timbres"], {"synth": str(own), "count": 3}]
    splits = {**datasets.TINY["splits"], "unseen_synth": "mine"}
    config = datasets.write_config(tmp_path, timbres=timbres, splits=splits)
    root = tmp_path / "set"
    commands.succeed("render", "make", config, "--out", root)
    rows = pd.read_parquet(root / "timbres.parquet")
    assert sorted(rows["synth"].value_counts().items()) == [("builtin", 6), ("mine", 3)]
    assert set(rows.loc[rows["synth"] == "mine", "side"]) == {"synth"}
    commands.succeed("manifests", "audit", root, "--deep", "--rerender", "30")

    # The fingerprint contains the profile's content, not its path.
    moved = own.rename(own.with_name("moved.yaml"))
    config = datasets.write_config(
        tmp_path, timbres=[datasets.TINY["timbres"][0], {"synth": str(moved), "count": 3}], splits=splits
    )
    commands.succeed("render", "plan", config, "--out", tmp_path / "again")
    prints = [
        json.loads((folder / "dataset.json").read_text())["fingerprint"]
        for folder in (root, tmp_path / "again")
    ]
    assert prints[0] == prints[1]
    gone = commands.run("manifests", "audit", root, "--rerender", "30")
    assert gone.returncode != 0
    assert str(own) in gone.stdout + gone.stderr

    # A changed profile is refused by name.
    own.write_text(moved.read_text().replace("warm_up_s: 0.2", "warm_up_s: 0.3"))
    clips = pd.concat(pd.read_parquet(table) for table in sorted((root / "clips").rglob("*.parquet")))
    mine = clips["key"][clips["timbre"].isin(rows.loc[rows["synth"] == "mine", "timbre"])].iloc[0]
    changed = commands.run("render", "remake", root, mine)
    assert changed.returncode == 1
    assert f"profile {own} has changed since the plan" in changed.stderr


@pytest.mark.plugins
def test_an_unseen_synth_must_be_among_the_timbres(own: Path, tmp_path: Path) -> None:
    splits = {**datasets.TINY["splits"], "unseen_synth": "yours"}
    config = datasets.write_config(
        tmp_path, timbres=[*datasets.TINY["timbres"], {"synth": str(own), "count": 3}], splits=splits
    )
    refused = commands.run("render", "plan", config, "--out", tmp_path / "set")
    assert refused.returncode == 2
    assert "splits.unseen_synth: 'yours' is none of ['builtin', 'mine']" in refused.stderr
    assert not (tmp_path / "set").exists()
