"""Nondeterministic synths: rendered, marked as such, and never compared."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml
from rich.console import Console

from presets.host import client as host_module
from presets.synths.profile import PROFILE_FOLDER
from render.clips.dataset import MachineFault
from render.execution.run import run
from render.inspect.remake import remake
from tests.support import commands, datasets
from tests.support.presets import faulty_host as faulty


@pytest.fixture
def wild(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Writes a profile that calls the built-in synth nondeterministic, and makes hosts randomise it."""
    monkeypatch.setattr(host_module, "PROGRAM", "tests.support.presets.faulty_host")
    every = [(played, "", 0.0, faulty.UNREPEATABLE) for played in (False, True)]
    monkeypatch.setenv("TRIPTYCH_TEST_FAULTS", json.dumps(every))
    profile = yaml.safe_load((PROFILE_FOLDER / "builtin.yaml").read_text())
    for file in ("plugin", "banks"):
        profile[file] = str(PROFILE_FOLDER.parent / "synths" / profile[file])
    path = tmp_path / "wild.yaml"
    path.write_text(yaml.safe_dump({**profile, "name": "wild", "deterministic": False}))
    return path


@pytest.mark.parametrize("shaping", ["renderer", pytest.param("plugin", marks=pytest.mark.verify)])
def test_a_nondeterministic_synth_is_marked_and_never_compared(
    wild: Path, tmp_path: Path, shaping: str
) -> None:
    narrow = {"lowest_pitch": 55, "highest_pitch": 67}
    config = datasets.write_config(
        tmp_path,
        shaping=shaping,
        timbres=[{"synth": str(wild), "count": 6}],
        tones={**narrow, "settle_s": 0.5},
        phrases={"generated": {"count": 6, "generate": narrow}},
    )
    root = tmp_path / "dataset"
    commands.succeed("render", "plan", config, "--out", root)
    run(root, Console(quiet=True))
    assert not pd.read_parquet(root / "timbres.parquet")["deterministic"].any()
    assert set(pd.read_parquet(root / "failures.parquet")["stage"]) <= {"tones"}

    assert "wild do not repeat: their tones are kept" in " ".join((root / "README.md").read_text().split())
    commands.succeed("manifests", "audit", root)
    if shaping == "renderer":
        check_kept(root, tmp_path)
        return
    # Without cached tones they are rendered again, and differ.
    copy = shutil.copytree(root, tmp_path / "copy", ignore=shutil.ignore_patterns(".work"))
    key = pd.read_parquet(copy / "clips" / "train")["key"].iloc[1]
    (again,) = remake(copy, [key])
    assert not again.comparable
    assert not again.same
    output = commands.succeed("render", "remake", copy, key)
    assert "cannot be compared bit for bit: its synth is not deterministic" in output
    audited = commands.succeed("manifests", "audit", copy, "--rerender", "4")
    assert "not deterministic" in audited or "never repeat" in audited, audited


def check_kept(root: Path, tmp_path: Path) -> None:
    """Checks that the kept tones make the same clips, without any cache, on any worker and after a resume."""
    copy = shutil.copytree(root, tmp_path / "copy", ignore=shutil.ignore_patterns(".work"))
    keys = pd.read_parquet(copy / "clips" / "train")["key"].iloc[:3].to_list()
    assert all(again.comparable and again.same for again in remake(copy, keys))
    before = datasets.file_hashes(copy)
    shard = sorted((copy / "shards" / "train").glob("*.tar"))[0]
    for path in (shard, copy / "clips" / "train" / f"{shard.stem}.parquet", copy / "shards.parquet"):
        path.unlink()
    run(copy, Console(quiet=True))
    assert datasets.file_hashes(copy) == before
    for path in (copy / "kept").iterdir():
        path.unlink()
    with pytest.raises(MachineFault, match="came out differently"):
        list(remake(copy, keys))
