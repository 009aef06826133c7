"""Stock webdataset, pandas, DuckDB and Hugging Face `datasets` read our datasets without our code."""

from __future__ import annotations

import io
import json
from pathlib import Path

import duckdb
import pandas as pd
import pytest
import soundfile
import webdataset
import yaml


def test_webdataset_reads_the_tars(tiny: Path) -> None:
    shards = sorted(str(path) for path in (tiny / "shards" / "train").glob("*.tar"))
    rows = pd.read_parquet(tiny / "clips" / "train").set_index("key")
    count = 0
    for sample in webdataset.WebDataset(shards, shardshuffle=False):
        row = rows.loc[sample["__key__"]]
        pcm, rate = soundfile.read(io.BytesIO(sample["flac"]), dtype="int16")
        sidecar = json.loads(sample["json"])
        assert (len(pcm), rate) == (row["frames"], row["rate"])
        assert sidecar["timbre"] == row["timbre"]
        assert sidecar["attack_ms"] == row["attack_ms"]
        count += 1
    assert count == len(rows)


def test_pandas_and_duckdb_read_the_manifests(tiny: Path) -> None:
    rows = pd.read_parquet(tiny / "clips" / "train")
    counted = duckdb.sql(f"SELECT count(*) FROM '{tiny}/clips/*/*.parquet' WHERE split = 'train'").fetchall()
    assert counted == [(len(rows),)]
    joined = duckdb.sql(
        f"SELECT t.name FROM '{tiny}/clips/*/*.parquet' c JOIN '{tiny}/timbres.parquet' t USING (timbre)"
    ).df()
    assert joined["name"].nunique() == 6


def test_a_row_s_offset_and_length_are_the_flac_file(tiny: Path) -> None:
    for row in pd.read_parquet(tiny / "clips" / "validation").itertuples():
        with (tiny / row.shard).open("rb") as file:
            file.seek(row.offset)
            assert file.read(4) == b"fLaC"
            file.seek(row.offset)
            assert soundfile.info(io.BytesIO(file.read(row.length))).frames == row.frames


def test_datasets_reads_the_manifest_by_the_card(tiny: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.utils.logging.disable_progress_bar()
    # Without cache_dir, `datasets` would use the user's own cache.
    loaded = datasets.load_dataset(str(tiny), "manifest", cache_dir=str(tmp_path))
    card = (tiny / "README.md").read_text()
    header = yaml.safe_load(card.split("---")[1])
    assert header["license"]
    assert header["task_categories"] == ["audio-to-audio"]
    assert header["size_categories"] == ["n<1K"]
    assert "@misc{tiny," in card
    assert [c["config_name"] for c in header["configs"]] == ["manifest", "audio"]
    for split in loaded:
        assert len(loaded[split]) == len(pd.read_parquet(tiny / "clips" / split))
    for entry in header["configs"][1]["data_files"]:
        assert list(tiny.glob(entry["path"])), f"the card names shards that are not there: {entry}"
