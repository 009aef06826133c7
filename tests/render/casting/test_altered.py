"""Altered timbres of a dataset: the same bytes however it is run, made again from rows, and no leak."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from manifests.audit.run import AuditOptions
from manifests.dataset.layout import Layout
from manifests.synthesis.recipe_parameters import is_altered, split_parameters
from presets.synths.preset import Preset
from presets.synths.synth import Synth
from render import config as configs
from render.casting import cast as casting
from render.casting.altered import is_chosen, original_key
from render.casting.cast import Candidate, PresetResult, cast, try_preset
from render.planning.fingerprint import audible
from render.tones import ToneSetCache, cached_synth
from tests.support import commands, datasets
from tests.support.audit_reports import audit_report

TIMBRES = [{"synth": "builtin", "count": 8, "altered": 0.5}]


def timbres_of(root: Path) -> list[dict[str, Any]]:
    return Layout(root).read("timbres").to_pylist(maps_as_pydicts="strict")


def clips_of(root: Path) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(path) for path in sorted((root / "clips").rglob("*.parquet"))])


@pytest.fixture(scope="module")
def altered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Renders a dataset with altered timbres by one worker. Read only."""
    folder = tmp_path_factory.mktemp("altered")
    config = datasets.write_config(folder, timbres=TIMBRES)
    commands.succeed("render", "make", config, "--out", folder / "dataset")
    return folder / "dataset"


def test_rows_state_their_recipes_and_presets_occur_once(altered: Path) -> None:
    rows = timbres_of(altered)
    changed = [row for row in rows if is_altered(row["parameters"])]
    assert 2 <= len(changed) <= 6
    assert len({row["preset"] for row in rows}) == len(rows)
    assert {row["name"].endswith(", altered") for row in changed} == {True}
    synth = cached_synth("builtin", None)
    for row in changed:
        own, recipe = split_parameters(row["parameters"])
        assert own == synth.preset(row["preset"]).parameters
        assert recipe is not None
        assert abs(row["octave"] - recipe.semitones // 12) == 0
        assert row["pitch_confidence"] >= 0.75
    for row in rows:
        assert is_altered(row["parameters"]) == is_chosen(5, 0.5, synth, synth.preset(row["preset"]))


def test_workers_and_a_loss_of_half_the_work_do_not_change_the_bytes(altered: Path, tmp_path: Path) -> None:
    root = tmp_path / "two"
    config = datasets.write_config(tmp_path, timbres=TIMBRES)
    commands.succeed("render", "make", config, "--out", root, "--workers", "2")
    assert datasets.file_hashes(root) == datasets.file_hashes(altered)
    (root / "shards.parquet").unlink()
    for table in sorted((root / "clips").rglob("*.parquet"))[::2]:
        table.unlink()
    # Altered tones lose their files, plain ones theirs: each is made again from what is left.
    for file in sorted((root / ".work" / "tones").glob("*.json"))[::2]:
        file.unlink()
    commands.succeed("render", "run", root)
    assert datasets.file_hashes(root) == datasets.file_hashes(altered)


def test_clips_are_made_again_from_their_rows_and_the_audit_finds_nothing(
    altered: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(altered, tmp_path / "copy", ignore=shutil.ignore_patterns(".work"))
    changed = [row["timbre"] for row in timbres_of(copy) if is_altered(row["parameters"])]
    clips = clips_of(copy)
    keys = clips[clips["timbre"].isin(changed)].groupby("timbre")["key"].first().to_list()
    lines = commands.succeed("render", "remake", copy, *keys, "--json").splitlines()
    assert [json.loads(line)["same"] for line in lines] == [True] * len(changed)
    report = audit_report(copy, AuditOptions(hashes=True, deep=True, rerender=4))
    assert not report.findings, report.findings


def test_another_recipe_in_a_row_is_another_sound(altered: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(altered, tmp_path / "copy")
    changed = next(row["timbre"] for row in timbres_of(copy) if is_altered(row["parameters"]))
    key = clips_of(copy).query(f"timbre == {changed}")["key"].iloc[0]

    def louder(rows: datasets.Rows) -> None:
        rows[changed]["parameters"]["altered.noise_db"] = -30.5

    datasets.rewrite_table(copy, "timbres", louder)
    done = commands.run("render", "remake", copy, key)
    assert done.returncode == 1
    assert "its tones came out differently here" in done.stderr


def test_its_bank_holds_the_altered_tones(altered: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(altered, tmp_path / "copy")
    commands.succeed("render", "tones", copy)
    commands.succeed("manifests", "audit", copy / "tones", "--hash")


@pytest.mark.plugins
def test_amsynth_is_altered_and_made_again(amsynth: Path, tmp_path: Path) -> None:
    timbres = [{"synth": "builtin", "count": 2}, {"synth": "amsynth", "count": 4, "altered": 1.0}]
    config = datasets.write_config(tmp_path, timbres=timbres)
    root = tmp_path / "dataset"
    commands.succeed("render", "make", config, "--out", root, "--workers", "2")
    rows = timbres_of(root)
    assert [is_altered(row["parameters"]) for row in rows] == [False] * 2 + [True] * 4
    shutil.rmtree(root / ".work")
    keys = clips_of(root).query("timbre >= 2").groupby("timbre")["key"].last().to_list()
    assert commands.succeed("render", "remake", root, *keys).count("same, bit for bit") == len(keys)


def test_of_presets_with_equal_audio_one_is_taken_plain_or_altered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timbres = [{"synth": "builtin", "count": 4, "altered": 0.5}]
    splits = {"test_timbres": 0.5, "test_envelopes": 0.34, "test_phrases": 0.34}
    config = configs.load(datasets.write_config(tmp_path, timbres=timbres, splits=splits))
    synth = cached_synth("builtin", None)
    oboe = synth.preset("named/oboe")
    copies = [replace(oboe, address=f"named/oboe-{i}", name=f"oboe {i}") for i in range(6)]
    assert {is_chosen(config.seed, 0.5, synth, copy) for copy in copies} == {False, True}
    others = [synth.preset(f"named/{name}") for name in ("tuba", "clarinet", "dark-strings")]

    def in_order(synth: Synth, seed: int, timbres: configs.Timbres | None = None) -> Iterator[Preset]:
        return iter([*copies, *others])

    def in_turn(tone_sets: ToneSetCache, wave: list[Candidate]) -> Iterator[PresetResult]:
        return (try_preset(tone_sets, wanted) for wanted in wave)

    monkeypatch.setattr(casting, "candidates", in_order)
    rows, failures = cast(config, ToneSetCache.of(config, tmp_path / "work"), in_turn)
    assert [row["name"].startswith("oboe") for row in rows] == [True, False, False, False]
    assert [failure["reason"] for failure in failures] == ["duplicate"] * 5
    # A later generation knows the plain tones of what is there, though its row holds the altered ones' hash.
    assert len({original_key(config.seed, row) for row in rows}) == 4
    again = configs.load(datasets.write_config(tmp_path, timbres=[{**timbres[0], "count": 5}], splits=splits))
    known = [row for row in rows if row["name"].startswith("oboe")]
    with pytest.raises(configs.InputError, match="last failure: duplicate"):
        cast(again, ToneSetCache.of(config, tmp_path / "work"), in_turn, known, [], 1)


def test_a_config_without_it_has_the_plan_of_before(tmp_path: Path) -> None:
    plain = configs.load(datasets.write_config(tmp_path))
    asked = configs.load(datasets.write_config(tmp_path, timbres=[{**TIMBRES[0], "altered": 0.0}]))
    assert "altered" not in audible(plain)["timbres"][0]
    assert audible(asked)["timbres"][0] == {**audible(plain)["timbres"][0], "count": 8}
    changed = configs.load(datasets.write_config(tmp_path, timbres=TIMBRES))
    assert audible(changed)["timbres"][0]["altered"] == 0.5
    assert configs.parse(changed.model_dump(mode="json"), "again") == changed


def test_zones_differ_between_seeds() -> None:
    rows = [{"parameters": {}, "tones_sha256": "ab" * 32}]
    keys = {original_key(seed, row) for seed in range(8) for row in rows}
    assert len(keys) == 8
    assert np.log2(max(keys)) < 52
