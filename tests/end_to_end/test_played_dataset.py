"""Datasets with `shaping: plugin`: audited, rendered again bit for bit, refused when planned."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests.support import commands, datasets


@pytest.mark.plugins
def test_a_dataset_played_by_plugins_passes_its_audit_and_rerenders_bit_for_bit(
    amsynth: Path, tmp_path: Path
) -> None:
    family = {"attack_ms": [10, 50], "decay_ms": [50, 200], "sustain": [0.2, 0.5], "release_ms": [30, 120]}
    config = datasets.write_config(
        tmp_path,
        shaping="plugin",
        timbres=[{"synth": "builtin", "count": 3}, {"synth": "amsynth", "count": 4}],
        tones={"lowest_pitch": 55, "highest_pitch": 67, "settle_s": 0.5, "max_level_variation_db": 1.0},
        phrases={"generated": {"count": 6, "generate": {"lowest_pitch": 55, "highest_pitch": 67}}},
        envelopes={"one": {"count": 3, **family}, "two": {"count": 3, **family}},
    )
    one, two = tmp_path / "one", tmp_path / "two"
    commands.succeed("render", "make", config, "--out", one)
    commands.succeed("render", "make", config, "--out", two, "--workers", "2")
    assert datasets.file_hashes(one) == datasets.file_hashes(two)
    commands.succeed("manifests", "audit", one, "--deep")
    clips = pd.read_parquet(one / "clips" / "train")
    assert clips["group_index"].between(0, 3).all()
    assert (clips.groupby("group").size() == 4).all()
    copy = shutil.copytree(one, tmp_path / "copy", ignore=shutil.ignore_patterns(".work"))
    keys = clips["key"].iloc[[2, len(clips) // 2, -1]].to_list()
    assert commands.succeed("render", "remake", copy, *keys).count("same, bit for bit") == 3


def test_an_envelope_that_a_synth_cannot_play_is_refused_when_planned(tmp_path: Path) -> None:
    envelopes = {
        "odd": {
            "count": 6,
            "attack_ms": [10, 90],
            "decay_ms": [20, 200],
            "sustain": [0, 1],
            "release_ms": [20, 200],
            "curve": "exponential",
        }
    }
    done = commands.run(
        "render", "plan", datasets.write_config(tmp_path, shaping="plugin", envelopes=envelopes),
        "--out", tmp_path / "d",
    )  # fmt: skip
    assert done.returncode == 2
    assert "envelopes.odd: builtin cannot play it" in done.stderr
