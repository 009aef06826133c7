"""Whole commands with a plugin that has the troubles of real ones: latency, many outputs, foreign presets."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import commands, datasets
from tests.support.presets.odd_synth_builds import Build, odd_profile

TONES = "".join(f"tone {index}: {{Tone: {0.1 + 0.15 * index:.2f}}}\n" for index in range(6))


def config_of(profile: Path, folder: Path) -> Path:
    family = {"attack_ms": [10, 50], "decay_ms": [50, 200], "sustain": [0.2, 0.5], "release_ms": [30, 120]}
    return datasets.write_config(
        folder,
        shaping="plugin",
        timbres=[{"synth": str(profile), "count": 6}],
        tones={"lowest_pitch": 55, "highest_pitch": 67, "settle_s": 0.5, "max_level_variation_db": 1.0},
        phrases={"generated": {"count": 6, "generate": {"lowest_pitch": 55, "highest_pitch": 67}}},
        envelopes={"one": {"count": 3, **family}, "two": {"count": 3, **family}},
    )


@pytest.fixture
def presets(tmp_path: Path) -> str:
    folder = tmp_path / "presets"
    folder.mkdir()
    (folder / "tones.yaml").write_text(TONES)
    return str(folder)


def test_plugin_shaping_corrects_a_latency_that_the_plugin_states(
    odd: Build, presets: str, tmp_path: Path
) -> None:
    plugin = odd("OddLate", LATENCY=4096, OUTPUTS=8)
    profile = odd_profile(plugin, name="odd", banks=presets, wait_s=0)
    plain = odd_profile(odd(), name="odd", banks=presets, wait_s=0)
    clips = []
    for name, path in (("late", profile), ("plain", plain)):
        root = tmp_path / name
        commands.succeed("render", "make", config_of(path, tmp_path), "--out", root)
        hashes = datasets.file_hashes(root)
        clips.append({file: digest for file, digest in hashes.items() if file.endswith(".tar")})
    assert clips[0] == clips[1]
    assert len(clips[0]) > 0
    said = commands.succeed("manifests", "audit", tmp_path / "late", "--deep")
    assert "onsets heard" in said


@pytest.mark.verify
def test_a_latency_that_the_plugin_does_not_state_is_refused(
    odd: Build, presets: str, tmp_path: Path
) -> None:
    profile = odd_profile(odd("OddSecret", SECRET_LATENCY=4096), banks=presets, wait_s=0)
    done = commands.run("render", "make", config_of(profile, tmp_path), "--out", tmp_path / "late")
    assert done.returncode == 2
    assert "0 of 6 oddsecret timbres passed after 6 tries; last failure: mislabelled" in done.stderr


def test_a_plan_refuses_what_its_profile_lacks(odd: Build, presets: str, tmp_path: Path) -> None:
    profile = odd_profile(odd("OddSlow", LOADS_MS=700), banks=presets)
    done = commands.run("render", "plan", config_of(profile, tmp_path), "--out", tmp_path / "set")
    assert done.returncode == 2
    assert "a thread of the plugin loads its data; state `wait_s: 5`" in done.stderr
    assert not (tmp_path / "set").exists()
