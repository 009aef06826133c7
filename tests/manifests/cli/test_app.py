"""The `manifests` command line: `show`, and datasets of a newer schema."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support import commands


def test_show_prints_a_datasets_name_and_splits(tiny: Path) -> None:
    output = commands.succeed("manifests", "show", tiny)
    assert "tiny" in output
    assert "test_unseen_all" in output


def test_a_dataset_of_a_newer_schema_is_refused(tiny: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny, tmp_path / "copy", ignore=shutil.ignore_patterns(".work", "shards"))
    path = copy / "dataset.json"
    path.write_text(path.read_text().replace('"schema": "1.1"', '"schema": "2.0"'))
    done = commands.run("manifests", "audit", copy)
    assert done.returncode == 2
    assert "schema version 2.0, this program reads 1.1" in done.stderr
