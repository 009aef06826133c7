"""`manifests query`: SQL over the tables of a dataset, and over nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from tests.support import commands


def test_query_answers_sql_over_the_manifests(tiny: Path) -> None:
    output = commands.succeed(
        "manifests",
        "query",
        tiny,
        "SELECT count(*) AS clips FROM clips JOIN timbres USING (timbre) WHERE split = 'train'",
        "--json",
    )
    assert json.loads(output) == [{"clips": len(pd.read_parquet(tiny / "clips" / "train"))}]


def test_query_reads_nothing_but_the_dataset(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    done = commands.run("manifests", "query", tiny, f"SELECT * FROM '{tmp_path}/secret.csv'")
    assert done.returncode == 2
    assert "1" not in done.stdout
    done = commands.run("manifests", "query", tiny, "SELECT nothing FROM clips")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
