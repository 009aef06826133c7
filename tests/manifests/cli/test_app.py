"""The `manifests` command line: `show`, and datasets of a newer schema."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support import commands


def test_show_says_what_a_dataset_is(tiny: Path) -> None:
    said = commands.succeed("manifests", "show", tiny)
    assert "tiny" in said
    assert "test_unseen_all" in said


def test_a_schema_of_the_future_is_refused(tiny: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny, tmp_path / "copy", ignore=shutil.ignore_patterns(".work", "shards"))
    path = copy / "dataset.json"
    path.write_text(path.read_text().replace('"schema": "1.0"', '"schema": "2.0"'))
    done = commands.run("manifests", "audit", copy)
    assert done.returncode == 2
    assert "schema version 2.0, this program reads 1.0" in done.stderr
