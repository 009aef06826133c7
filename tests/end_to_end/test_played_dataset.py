"""Datasets with `shaping: plugin`: audited, rendered again bit for bit, refused when planned."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests.support import commands, datasets
from tests.support.presets.own_synths import law_synth_profile


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


def law_config(folder: Path, labels: str, **macros: float) -> Path:
    """Writes a config of a synth whose decay depends on its sustain, with a profile that does not know it."""
    profile = law_synth_profile(folder, **macros)
    presets = folder / "bank"
    presets.mkdir()
    for shape in range(4):
        (presets / f"{shape}.yaml").write_text(f"tone {shape}: {{Tone: {shape / 3}}}\n")
    profile.write_text(profile.read_text() + "presets: files\nbanks: bank\n")
    family = {"attack_ms": [10, 50], "decay_ms": [50, 200], "sustain": [0.2, 0.7], "release_ms": [30, 120]}
    return datasets.write_config(
        folder,
        shaping="plugin",
        **({} if labels == "asked" else {"labels": labels}),
        timbres=[{"synth": str(profile), "count": 4}],
        tones={"lowest_pitch": 55, "highest_pitch": 72, "settle_s": 0.2},
        phrases={"generated": {"count": 6, "generate": {"lowest_pitch": 55, "highest_pitch": 67}}},
        envelopes={"one": {"count": 3, **family}, "two": {"count": 3, **family}},
        splits={"test_timbres": 0.5, "test_envelopes": 0.34, "test_phrases": 0.34, "validation": 0.2},
    )


def test_a_synth_that_plays_other_envelopes_is_refused(tmp_path: Path) -> None:
    done = commands.run(
        "render", "make", law_config(tmp_path, "asked", key=0.0, decay_k=3.0), "--out", tmp_path / "d"
    )
    assert done.returncode == 2
    assert "last failure: mislabelled" in " ".join(done.stderr.split())
    assert "`labels: measured`" in " ".join(done.stderr.split())


def test_measured_labels_are_what_is_heard(tmp_path: Path) -> None:
    out = tmp_path / "d"
    commands.succeed("render", "make", law_config(tmp_path, "measured", key=0.0, decay_k=3.0), "--out", out)
    commands.succeed("manifests", "audit", out, "--deep")
    asked = pd.read_parquet(out / "envelopes.parquet").set_index("envelope")
    clips = pd.read_parquet(out / "clips" / "train")
    assert len(clips) > 10
    for row in clips.itertuples():
        wanted = asked.loc[row.envelope]
        # The synth's own law: see tests/support/presets/law_synth.
        assert abs(row.decay_ms - wanted["decay_ms"] * (1.0 - 0.6 * wanted["sustain"])) < 3.0
        assert abs(row.sustain - wanted["sustain"]) < 0.005
        assert row.curve.split("/")[1] in {"2.9", "3"} or abs(float(row.curve.split("/")[1]) - 3) < 0.2
    assert "Envelopes in rows are measured" in " ".join((out / "README.md").read_text().split())
    assert commands.succeed("render", "remake", out, clips["key"].iloc[0]).count("same, bit for bit") == 1


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
