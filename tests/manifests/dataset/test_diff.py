"""`manifests diff`: what differs between two datasets."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd

from tests.support import commands, datasets


def edited(root: Path, table: str, **values: Any) -> None:
    """Changes values in the first row of one of a folder's tables."""
    datasets.rewrite_table(root, table, lambda rows: rows[0].update(values))


def differences(a: Path, b: Path) -> dict[str, list[str]]:
    done = commands.run("manifests", "diff", a, b, "--json")
    answer = json.loads(done.stdout)
    assert done.returncode == (0 if answer["same"] else 1), done.stderr
    return {layer["layer"]: layer["lines"] for layer in answer["layers"] if layer["lines"]}


def test_diff_of_a_dataset_and_its_copy_is_empty(tiny: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny, tmp_path / "copy", ignore=shutil.ignore_patterns(".work", "shards"))
    assert differences(tiny, copy) == {}
    assert "same" in commands.succeed("manifests", "diff", tiny, copy)


def test_diff_lists_what_another_config_changes(tiny: Path, tmp_path: Path) -> None:
    config = datasets.write_config(tmp_path, clip={"peak_dbfs": -2.0})
    commands.succeed("render", "make", config, "--out", tmp_path / "other")
    lines = differences(tiny, tmp_path / "other")
    assert lines["config"] == ["clip.peak_dbfs: -1.0 != -2.0"]
    assert lines["fingerprint"] == ["config.clip.peak_dbfs: -1.0 != -2.0"]
    count = len(pd.read_parquet(tiny / "clips", columns=["key"], partitioning=None))
    assert lines["audio"][0].startswith(f"pcm_sha256: {count} clips differ, first b000000_")
    assert set(lines) == {"config", "fingerprint", "places", "audio"}


def test_diff_names_the_column_and_the_id(tiny: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny, tmp_path / "copy", ignore=shutil.ignore_patterns(".work", "shards"))
    edited(copy, "timbres", octave=3)
    (copy / "clips/validation/shard-000000.parquet").unlink()
    lines = differences(tiny, copy)
    assert lines["timbres"][0].startswith("octave: 1 rows differ, first timbre 0: octave: ")
    assert lines["clips"][0].endswith("clips only in A")
