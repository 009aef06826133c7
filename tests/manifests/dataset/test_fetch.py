"""`manifests fetch`: single clips out of a dataset."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
import soundfile

from manifests.dataset.canonical import sha256_file
from manifests.dataset.layout import read_table, write_table
from manifests.synthesis.compose import pcm_sha256
from tests.support import commands

WHERE = "split = 'train' AND timbre IN (SELECT min(timbre) FROM timbres WHERE side = 'train')"


def test_fetch_gets_the_clips_of_a_condition(tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "clips"
    commands.succeed("manifests", "fetch", tiny, "--where", WHERE, "--out", out)
    rows = pd.read_parquet(out / "clips.parquet")
    every = pd.read_parquet(tiny / "clips/train")
    assert set(rows["key"]) == set(every["key"][every["timbre"] == every["timbre"].min()])
    assert {path.name for path in out.iterdir()} == {"clips.parquet", *(f"{key}.flac" for key in rows["key"])}
    for row in rows.itertuples():
        pcm, rate = soundfile.read(out / f"{row.key}.flac", dtype="int16")
        assert rate == row.rate
        assert pcm_sha256(pcm) == row.pcm_sha256
    before = {path.name: sha256_file(path) for path in out.iterdir()}
    next(out.glob("*.flac")).unlink()
    commands.succeed("manifests", "fetch", tiny, "--where", WHERE, "--out", out)
    assert {path.name: sha256_file(path) for path in out.iterdir()} == before


def test_fetch_reads_nothing_else_of_a_shard(tiny: Path, tmp_path: Path) -> None:
    """Fetches the clip from a shard whose other bytes are zero."""
    copy = shutil.copytree(tiny, tmp_path / "copy")
    row = pd.read_parquet(copy / "clips/train/shard-000000.parquet").iloc[3]
    tar = copy / row["shard"]
    data = tar.read_bytes()
    begin, end = row["offset"], row["offset"] + row["length"]
    tar.write_bytes(bytes(begin) + data[begin:end])
    out = tmp_path / "out"
    commands.succeed("manifests", "fetch", copy, "--where", f"key = '{row['key']}'", "--out", out)
    assert (out / f"{row['key']}.flac").read_bytes() == data[begin:end]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("timbre = 99", "no clip of"),
        ("nothing = 1", "nothing"),
        ("1 = 1) UNION (SELECT 1", "query:"),
        ("key IN (SELECT content FROM read_text('/etc/passwd'))", "query:"),
    ],
)
def test_fetch_fails_with_a_one_line_error(tiny: Path, tmp_path: Path, where: str, message: str) -> None:
    done = commands.run("manifests", "fetch", tiny, "--where", where, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert message in done.stderr.strip().splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_fetch_refuses_paths_outside_the_folder_and_other_audio(tiny: Path, tmp_path: Path) -> None:
    for name, change, message in (
        ("leaves", {"shard": "../secret.tar"}, "leaves the dataset folder"),
        ("evil", {"key": "../../evil"}, "clip key"),
        ("elsewhere", {"offset": 0}, "does not hold it"),
        ("gone", {"shard": "shards/train/shard-999999.tar"}, "is not in"),
    ):
        copy = shutil.copytree(tiny, tmp_path / name)
        path = copy / "clips/train/shard-000000.parquet"
        table = read_table(path, "clips")
        rows = table.to_pylist()
        rows[0] |= change
        write_table(path, type(table).from_pylist(rows, schema=table.schema))
        done = commands.run(
            "manifests", "fetch", copy, "--where", "split = 'train'", "--out", tmp_path / f"{name}-out"
        )
        assert done.returncode == 2
        assert message in done.stderr
        assert not (tmp_path / f"{name}-out" / "clips.parquet").exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep")
    done = commands.run("manifests", "fetch", tiny, "--where", "split = 'train'", "--out", tmp_path / "full")
    assert done.returncode == 2
    assert "mine.txt" in done.stderr
