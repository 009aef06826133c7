"""`render remake`: clips rendered again bit for bit, without the cache."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from tests.support import commands


def test_remake_reproduces_clips_bit_for_bit_without_the_cache(tiny: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny, tmp_path / "copy", ignore=shutil.ignore_patterns(".work"))
    keys = pd.read_parquet(copy / "clips" / "test_unseen_all")["key"].iloc[[0, -1]].to_list()
    output = commands.succeed("render", "remake", copy, *keys, "--out", tmp_path / "again", "--json")
    assert [json.loads(line)["same"] for line in output.splitlines()] == [True, True]
    for key in keys:
        pcm, rate = soundfile.read(tmp_path / "again" / f"{key}.flac", dtype="int16")
        assert rate == 44_100
        assert np.abs(pcm.astype(int)).max() == 29_204


def test_remake_reports_a_row_that_differs_from_its_audio(tiny: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny, tmp_path / "copy")
    envelopes = pd.read_parquet(copy / "envelopes.parquet")
    key = pd.read_parquet(copy / "clips" / "train")["key"].iloc[0]
    from manifests.dataset.layout import Layout, to_table, write_table

    rows = Layout(copy).read("envelopes").to_pylist()
    rows[int(key.split("_e")[1][:4])]["attack_ms"] += 5
    assert len(rows) == len(envelopes)
    write_table(copy / "envelopes.parquet", to_table("envelopes", rows))
    done = commands.run("render", "remake", copy, key)
    assert done.returncode == 1
    assert "DIFFERENT" in done.stdout
