"""Reading a tone bank: what cannot be read is refused; tones between the kept pitches."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from manifests.dataset.bank import FADE, Bank, kept_pitches, read_places, source_pitch
from manifests.dataset.canonical import sha256_json
from manifests.dataset.diff import diff
from manifests.dataset.query import query
from manifests.types import InputError
from train.data.tables import Tables


def test_unreadable_banks_are_refused_with_the_files_name(bank_copy: Path) -> None:
    text = (bank_copy / "bank.json").read_text()
    bank = Bank(bank_copy)
    for old, new, message in (
        ('"schema": "1.1"', '"schema": "2.0"', r"bank\.json: schema version 2\.0"),
        ('"rate": 44100', '"rate": 48000', "it was edited"),
    ):
        (bank_copy / "bank.json").write_text(text.replace(old, new))
        with pytest.raises(InputError, match=message):
            bank.metadata()
    other = json.loads(text)
    other["fingerprint_of"]["dataset"] = "another"
    other["fingerprint"] = sha256_json(other["fingerprint_of"])
    (bank_copy / "bank.json").write_text(json.dumps(other))
    with pytest.raises(InputError, match=r"shard-000000\.parquet: belongs to another bank"):
        bank.tones("shard-000000.tar")
    (bank_copy / "shard-000001.tar").rename(bank_copy / "gone")
    with pytest.raises(InputError, match=r"shard-000001\.tar: shard is missing"):
        bank.shards()
    (bank_copy / "tone_shards.parquet").unlink()
    with pytest.raises(InputError, match="the bank is not finished"):
        bank.shards()
    (bank_copy / "bank.json").unlink()
    with pytest.raises(InputError, match=r"no bank\.json there"):
        bank.metadata()


def test_pitches_between_kept_tones_are_read_from_the_nearest_tone() -> None:
    kept = kept_pitches(48, 60, 3)
    assert list(kept) == [48, 51, 54, 57, 60]
    assert [source_pitch(pitch, kept) for pitch in range(48, 55)] == [48, 48, 51, 51, 51, 54, 54]
    assert source_pitch(62, kept) == 60
    np.testing.assert_array_equal(read_places(9, 2, 5), [0, 1, 2, 3, 4, 2, 3, 4, 2])
    assert FADE > 0


def test_tables_of_a_bank_are_queried_and_compared_though_it_has_no_clips(bank: Bank) -> None:
    assert query(bank, "SELECT count(*) AS n FROM timbres").n[0] == bank.read("timbres").num_rows
    assert not any(layer.lines for layer in diff(bank, bank))
    with pytest.raises(InputError, match="clips does not exist"):
        query(bank, "SELECT * FROM clips")
    with pytest.raises(InputError, match="is a tone bank"):
        _ = Tables.open(bank.root).rendered
