"""`train compare`: every system trained and scored by one command, at the data's rate and at its own."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from manifests.types import InputError
from tests.support import commands
from tests.support.paths import CONFIGS
from tests.support.synthetic_dataset import make_dataset
from tests.support.training import tiny_ctd, tiny_ssvqvae
from train.cli.app import app, register
from train.evaluation.compare.config import load_compare

COMPARE_CONFIGS = CONFIGS / "compare"
SYSTEMS = {
    "ctd": {"model": {**tiny_ctd.SIZES, "sampling_steps": 1}},
    "ss-vq-vae": {"model": tiny_ssvqvae.tiny_config().model.model_dump()},
}
"""The two that have an oracle, of which one works at a rate of its own: nothing else sets systems apart."""


def write_configs(folder: Path) -> Path:
    """Writes a comparison of systems at their smallest sizes, with a few steps each."""
    for name, settings in SYSTEMS.items():
        run = {"system": name, "steps": 2, "batch": 2, "validation_pairs": 0, "data": {"pool_blocks": 1}}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump({**run, **settings}))
    path = folder / "compare.yaml"
    entries = {name: {"config": f"{name}.yaml"} for name in SYSTEMS}
    entries["ctd"]["changes"] = {"steps": 3}  # type: ignore[assignment]
    comparison = {"heading": "Plumbing", "minutes": 5, "pairs": 1, "splits": ["validation"], "page_pairs": 1}
    path.write_text(yaml.safe_dump({**comparison, "systems": entries}))
    return path


def run(*arguments: str | Path) -> str:
    register(["compare"])
    done = CliRunner().invoke(app, ["compare", *map(str, arguments)])
    assert done.exit_code == 0, f"{done.output}{done.exception!r}"
    return done.output


def test_one_command_trains_and_scores_all(tmp_path: Path) -> None:
    make_dataset(tmp_path / "set", train=(2, 2, 4), seconds=0.6)
    path, out = write_configs(tmp_path), tmp_path / "out"
    output = run(path, "--data", tmp_path / "set", "--out", out, "--workers", "1")
    assert output.index("estimate:") < output.index("training for")
    text = (out / "comparison.md").read_text()
    assert text.startswith("# Plumbing\n")
    for name in SYSTEMS:
        assert f"| {name} |" in text
        assert (out / "runs" / name / "best.safetensors").exists()
    assert "| ctd | ctd | " in text
    page = (out / "page.html").read_text()
    assert "<b>Plumbing.</b>" in page
    assert all(name in page for name in SYSTEMS)
    assert "at 44100 Hz" in text
    assert "at 16000 Hz" in text

    rows = pd.read_parquet(out / "scores" / "scores.parquet")
    low = pd.read_parquet(out / "scores-16000" / "scores.parquet")
    for table in (rows, low):
        methods = set(table["method"])
        assert {*SYSTEMS, "ctd oracle", "ss-vq-vae oracle", "copy_of_source", "silence"} <= methods
        # Every pair is scored for every system: none is dropped.
        counts = table[table["metric"] == "mstft_floored"].groupby("method")["pair"].nunique()
        assert counts[[*SYSTEMS]].nunique() == 1
    # At its own rate a vocoder is not penalised for missing higher frequencies.
    oracle = [
        t[(t["method"] == "ss-vq-vae oracle") & (t["metric"] == "mstft_floored")]["value"].mean()
        for t in (rows, low)
    ]
    assert oracle[1] < oracle[0]
    summary = json.loads((out / "scores" / "summary.json").read_text())
    assert (summary["heading"], summary["minutes"]) == ("Plumbing", 5)


@pytest.mark.verify
def test_all_four_systems_as_they_ship_on_a_rendered_dataset(tmp_path: Path) -> None:
    """Does what `make compare` does. A second call finds everything done and changes no score."""
    data, out = tmp_path / "set", tmp_path / "out"
    commands.succeed("render", "make", COMPARE_CONFIGS / "tiny-dataset.yaml", "--out", data)
    tables = []
    for _ in range(2):
        output = run(COMPARE_CONFIGS / "tiny.yaml", "--data", data, "--out", out, "--workers", "1")
        assert output.startswith("Pipeline check, not a comparison")
        text = (out / "comparison.md").read_text()
        assert text.startswith("# Pipeline check, not a comparison\n")
        tables.append(pd.read_parquet(out / "scores" / "scores.parquet"))
    pd.testing.assert_frame_equal(*tables)
    assert set(tables[0]["split"]) == {"validation", "test_unseen_all"}
    assert {"triptych", "synthcloner", "ctd", "ss-vq-vae", "ctd oracle"} <= set(tables[0]["method"])
    assert "Pipeline check, not a comparison" in (out / "page.html").read_text()


@pytest.mark.parametrize("name", ["tiny", "full"])
def test_shipped_comparisons_load(name: str) -> None:
    config, runs = load_compare(COMPARE_CONFIGS / f"{name}.yaml")
    assert [run.system for run in runs.values()] == ["triptych", "synthcloner", "ctd", "ss-vq-vae"]
    assert {run.minutes for run in runs.values()} == {config.minutes}
    assert name == "full" or config.heading == "Pipeline check, not a comparison"


def test_changes_by_old_names_replace_settings(tmp_path: Path) -> None:
    path = write_configs(tmp_path)
    loaded = yaml.safe_load(path.read_text())
    loaded["systems"]["ctd"]["changes"] = {"judge_pairs": 2}
    path.write_text(yaml.safe_dump(loaded))
    assert load_compare(path)[1]["ctd"].validation_pairs == 2


def test_errors_name_the_setting(tmp_path: Path) -> None:
    path = write_configs(tmp_path)
    with pytest.raises(InputError, match=r"none\.yaml: no such comparison"):
        load_compare(tmp_path / "none.yaml")
    loaded = yaml.safe_load(path.read_text())
    for change, message in (
        ({"minutes": 0}, r"compare\.yaml: minutes: "),
        ({"systems": {"ctd": {"config": "no.yaml"}}}, r"systems\.ctd\.config: .*no\.yaml: no such config"),
        (
            {"systems": {"ctd": {"config": "ctd.yaml", "changes": {"setps": 1}}}},
            r"systems\.ctd: setps: unknown",
        ),
    ):
        path.write_text(yaml.safe_dump({**loaded, **change}))
        with pytest.raises(InputError, match=message):
            load_compare(path)
