"""Datasets as objects: tables, clips and triplets, each of them what the clip tables say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import manifests
from manifests import ClipId, Dataset, InputError
from manifests.dataset.rows import envelope_of
from manifests.reader import KINDS, TripletKind
from manifests.synthesis.compose import pcm_sha256

TAKEN = {"timbre": {"timbre"}, "envelope": {"envelope"}, "both": {"timbre", "envelope"}}


@pytest.fixture(scope="module")
def dataset(tiny: Path) -> Dataset:
    return Dataset(str(tiny))


def test_a_dataset_says_what_it_is(dataset: Dataset, tiny: Path) -> None:
    every = pd.read_parquet(tiny / "clips", partitioning=None)
    assert len(dataset) == len(every) == len(dataset.clips())
    assert (dataset.name, len(dataset.fingerprint)) == ("tiny", 64)
    assert set(dataset.splits) == set(every["split"])
    assert list(dataset.clips("train")["key"]) == list(every["key"][every["split"] == "train"])
    assert dataset.card == (tiny / "README.md").read_text()
    assert dataset.query("SELECT count(*) AS clips FROM clips")["clips"].tolist() == [len(every)]
    assert list(dataset.table("timbres")["timbre"]) == list(range(6))
    assert repr(dataset) == f"Dataset({str(tiny)!r})"


def test_a_clip_is_what_its_row_says(dataset: Dataset) -> None:
    octaves = dataset.table("timbres")["octave"]
    for row in dataset.clips("test_unseen_all").to_dict("records"):
        clip = dataset.read(row["key"])
        assert clip.pcm.dtype == np.int16
        assert pcm_sha256(clip.pcm) == row["pcm_sha256"]
        assert (len(clip.pcm), clip.rate) == (row["frames"], row["rate"])
        assert clip.envelope == envelope_of(row)
        phrase = dataset.table("phrases")["notes"][row["phrase"]]
        sounding = [note["pitch"] + 12 * octaves[row["timbre"]] for note in phrase]
        assert [note.pitch for note in clip.notes] == sounding
        assert clip.audio.dtype == np.float32
        np.testing.assert_array_equal(np.rint(clip.audio * 32767.0), clip.pcm)


@pytest.mark.parametrize("kind", KINDS)
def test_every_clip_is_the_target_of_one_triplet(dataset: Dataset, kind: TripletKind) -> None:
    hashes = dict(dataset.clips("train")[["key", "pcm_sha256"]].to_numpy().tolist())
    triplets = list(dataset.triplets("train", kind))
    assert sorted(triplet.target.id.key for triplet in triplets) == sorted(hashes)
    for triplet in triplets:
        source, reference, target = triplet.source.id, triplet.reference.id, triplet.target.id
        assert source.block == reference.block == target.block
        for axis in ("timbre", "envelope", "phrase"):
            assert getattr(source, axis) != getattr(reference, axis)
            giver = reference if axis in TAKEN[kind] else source
            assert getattr(target, axis) == getattr(giver, axis)
        for clip in (triplet.source, triplet.reference, triplet.target):
            assert pcm_sha256(clip.pcm) == hashes[clip.id.key]


def test_the_seed_alone_draws_order_and_partners(dataset: Dataset) -> None:
    def ids(seed: int) -> list[tuple[ClipId, ClipId, ClipId]]:
        return [(t.source.id, t.reference.id, t.target.id) for t in dataset.triplets(seed=seed)]

    assert ids(3) == ids(3)
    assert ids(3) != ids(4)
    assert {target for *_, target in ids(3)} == {target for *_, target in ids(4)}


def test_what_is_not_there_is_said(dataset: Dataset, tiny: Path, tmp_path: Path) -> None:
    for call, what in (
        (lambda: Dataset(tmp_path), "no dataset.json there"),
        (lambda: dataset.clips("trian"), "no rendered clips of split 'trian'; splits there: train, valid"),
        (lambda: dataset.triplets("test_unseen_synth"), "no rendered clips of split 'test_unseen_synth'"),
        (lambda: dataset.triplets(kind="phrase"), "kind 'phrase': expected one of timbre, envelope, both"),
        (lambda: dataset.table("clips"), "table 'clips': expected one of timbres, envelopes"),
        (lambda: dataset.read("a"), "clip key 'a': expected the form"),
        (lambda: dataset.read("b999999_t00000_e0000_p0000"), "no clip 'b999999_t00000_e0000_p0000'"),
        (lambda: dataset.query("SELECT nothing"), "query: "),
    ):
        with pytest.raises(InputError, match=what):
            call()
    (tmp_path / "bank").mkdir()
    (tmp_path / "bank" / "bank.json").write_text("{}")
    with pytest.raises(InputError, match="bank: a tone bank, which stores no clips"):
        Dataset(tmp_path / "bank")


def test_public_names_load_neither_torch_nor_tables() -> None:
    code = (
        "import sys, manifests; assert 'pyarrow' not in sys.modules; from manifests import Dataset;"
        " assert 'pyarrow' in sys.modules and not {'torch', 'duckdb', 'train'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert all(hasattr(manifests, name) for name in manifests.__all__)
    with pytest.raises(AttributeError, match="module 'manifests' has no attribute 'nothing'"):
        manifests.nothing  # noqa: B018
