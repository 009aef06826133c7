"""Training from a tone bank: one stream, the losses of rendered clips, refusals, object stores."""

from __future__ import annotations

import json
import shutil
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from manifests.dataset.bank import Bank
from manifests.dataset.canonical import sha256_json
from manifests.dataset.schema import SCHEMA_VERSION
from manifests.dataset.storage import location
from manifests.splits.clusters import envelope_clusters
from manifests.types import InputError
from tests.support import commands
from tests.support.s3_server import S3Server
from tests.support.training.short_runs import SETTINGS
from tests.support.training.tone_bank import ROLES, same_example, take_examples, with_audio
from train.checkpoint import read_weights
from train.config import parse_config
from train.data.bank.source import BankSource
from train.data.clips import read_clips
from train.data.examples import EXAMPLE_KINDS
from train.data.loader import Loader
from train.data.shards import ShardSource
from train.data.tables import Tables
from train.evaluation.page.page import dataset_facts
from train.fitting.loop import Callbacks, fit
from train.fitting.validation import Validator
from train.systems import build
from train.systems.base import Format

BELOW_60_DB = 1e-3


def test_the_stream_does_not_depend_on_threads_or_the_start(bank: Bank) -> None:
    examples = take_examples(bank, 40)
    assert all(same_example(a, b) for a, b in zip(examples, take_examples(bank, 40, threads=3), strict=True))
    for start in (7, 24, 29):
        later = take_examples(bank, 9, start=start)
        assert all(same_example(a, b) for a, b in zip(examples[start:], later, strict=False))
    for rank in range(3):
        mine = take_examples(bank, 13, rank=rank, world=3)
        assert all(same_example(a, b) for a, b in zip(examples[rank::3], mine, strict=False))
        assert len({e.target.id.block for e in mine}) == 2
    assert not any(same_example(a, b) for a, b in zip(examples, take_examples(bank, 40, seed=4), strict=True))


def test_partners_share_their_kinds_factors_and_no_held_out_id_is_used(bank: Bank) -> None:
    tables = Tables.open(bank.root)
    axes = ("timbre", "phrase", "envelope")
    sides = {axis: bank.read(f"{axis}s").column("side").to_pylist() for axis in axes}
    tests = [e for e, side in zip(tables.envelopes, sides["envelope"], strict=True) if side != "train"]
    fresh = {"phrase": 0, "envelope": 0}
    for example in take_examples(bank, 96, fresh=0.6):
        target = example.target.id
        assert example.content.id.phrase == target.phrase
        assert example.timbre.id.timbre == target.timbre
        assert example.envelope.id.envelope == target.envelope
        assert example.content.notes[0].onset == example.target.notes[0].onset
        assert sides["timbre"][target.timbre] == "train"
        for axis in ("phrase", "envelope"):
            id = getattr(target, axis)
            fresh[axis] += id >= len(sides[axis])
            assert id >= len(sides[axis]) or sides[axis][id] == "train"
        clusters = envelope_clusters([*tests, example.target.envelope])
        assert clusters[-1] not in clusters[:-1]
    assert 20 < fresh["phrase"] < 90
    assert 20 < fresh["envelope"] < 90
    assert all(e.target.id.phrase < len(sides["phrase"]) for e in take_examples(bank, 24, fresh=0.0))


def test_losses_from_the_bank_are_those_from_rendered_clips(banked: Path, bank: Bank) -> None:
    """The same cells, composed or rendered, have the same losses within far less than the spread of seeds."""
    config = parse_config({**SETTINGS, "batch": 4}, "test")
    tables = Tables.open(banked)
    with Loader(ShardSource(tables), EXAMPLE_KINDS, 3, 2) as loader:
        examples = list(islice(loader, 8))
    keys = [getattr(e, role).id.key for e in examples for role in ROLES]
    composed = read_clips(bank, keys)
    recomposed = [with_audio(example, lambda clip: composed[clip.id.key]) for example in examples]

    system = build(config.system, config.model, Format(tables.rate, tables.cut_fade_ms, ("a",)), 3)
    losses = []
    for source in (examples, recomposed):
        batch = system.collate(source, {0: 0})
        torch.manual_seed(1)  # as `fit` does before each step
        with torch.no_grad():
            turns = list(system.training_losses(batch, 0.0))
        losses.append({name: float(value) for turn in turns for name, value in turn.losses.items()})
    assert losses[0].keys() == losses[1].keys()
    for name, value in losses[0].items():
        assert losses[1][name] == pytest.approx(value, rel=2e-3, abs=1e-5), name


def test_fit_on_a_bank_resumes_bit_for_bit(bank: Bank, tmp_path: Path) -> None:
    config = parse_config({**SETTINGS, "steps": 3, "save_every": 2, "validation_pairs": 0}, "test")
    losses: list[dict[str, float]] = []
    outcome = fit(
        config,
        bank.root,
        tmp_path / "whole",
        Callbacks(on_step=lambda step, found, speed: losses.append(found)),
    )
    assert (outcome.step, outcome.interrupted) == (3, False)
    assert all(np.isfinite(list(row.values())).all() for row in losses)

    class Stop(Exception):
        pass

    def stop(step: int, found: dict[str, float], speed: float) -> None:
        if step == 3:
            raise Stop

    with pytest.raises(Stop):
        fit(config, bank.root, tmp_path / "run", Callbacks(on_step=stop))
    fit(config, bank.root, tmp_path / "run")
    resumed, uninterrupted = (
        read_weights(tmp_path / name / "last.safetensors")[0] for name in ("run", "whole")
    )
    assert all(torch.equal(resumed[name], value) for name, value in uninterrupted.items())


def test_validation_is_the_same_from_a_bank(banked: Path, bank: Bank) -> None:
    from_bank, from_clips = (Validator(Tables.open(root), 2, 1) for root in (bank.root, banked))
    for a, b in zip(from_bank.pairs, from_clips.pairs, strict=True):
        assert a.pair == b.pair
        for x, y in ((a.source, b.source), (a.reference, b.reference), (a.target, b.target)):
            assert np.abs(x - y).max() < BELOW_60_DB


def test_a_page_of_a_bank_counts_the_clips_of_its_plan(banked: Path, bank: Bank) -> None:
    from_bank, from_clips = (dict(dataset_facts(Tables.open(root))) for root in (bank.root, banked))
    assert from_bank["clips"] == from_clips["clips"]
    assert not from_bank["clips"].startswith("0 ")


def test_a_batch_of_tensors_equals_a_batch_of_arrays(bank: Bank) -> None:
    """On a GPU the audio of examples is tensors; the codec collates them as it does arrays."""
    config = parse_config(SETTINGS, "test")
    system = build(config.system, config.model, Format(44_100, 3.0, ("a",)), 3)
    arrays = take_examples(bank, 3)
    tensors = [with_audio(example, lambda clip: torch.from_numpy(clip.audio)) for example in arrays]
    assert system.on_device
    actual, expected = (system.collate(examples, {0: 0}) for examples in (tensors, arrays))
    assert torch.equal(actual.audio_BT, expected.audio_BT)
    assert torch.equal(actual.piece_RT, expected.piece_RT)


def test_a_bank_that_does_not_fit_the_config_is_refused(bank: Bank, tmp_path: Path) -> None:
    copy = tmp_path / "bank"
    shutil.copytree(bank.root, copy, ignore=shutil.ignore_patterns(".work"))
    config = parse_config(SETTINGS, "test")

    def refused() -> str:
        with pytest.raises(InputError) as error:
            fit(config, copy, tmp_path / "run")
        assert not (tmp_path / "run").exists()
        return str(error.value)

    (copy / "shard-000000.tar").rename(copy / "away")
    assert "shard-000000.tar: shard is missing" in refused()
    (copy / "away").rename(copy / "shard-000000.tar")
    text = (copy / "bank.json").read_text()
    other = json.loads(text)
    other["fingerprint_of"]["rate"] = 48_000
    other["fingerprint"] = sha256_json(other["fingerprint_of"])
    (copy / "bank.json").write_text(json.dumps(other))
    assert "shard-000000.parquet: belongs to another bank" in refused()
    (copy / "bank.json").write_text(text.replace(f'"schema": "{SCHEMA_VERSION}"', '"schema": "2.0"'))
    assert f"bank.json: schema version 2.0, this program reads {SCHEMA_VERSION};" in refused()
    (copy / "bank.json").write_text(text.replace('"rate": 44100', '"rate": 22050'))
    assert "bank.json: `fingerprint` is not the hash of `fingerprint_of`: it was edited" in refused()


@pytest.mark.xdist_group("s3")
def test_a_bank_in_an_object_store_equals_the_folders(
    banked: Path, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3fs = pytest.importorskip("s3fs")
    server = S3Server()
    server.start()
    s3fs.S3FileSystem.clear_instance_cache()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    files = s3fs.S3FileSystem(skip_instance_cache=True)
    files.mkdir("tone-banks")
    url = "s3://tone-banks/one"
    commands.succeed("render", "tones", banked, "--out", url)
    for path in bank.root.iterdir():
        if path.is_file():
            assert files.cat_file(f"tone-banks/one/{path.name}") == path.read_bytes(), path.name
    assert "no defect found" in commands.succeed("manifests", "audit", url, "--hash")
    there = Bank(location(url))
    examples = [
        list(islice(Loader(BankSource(Tables.open(root), 3, 3, 1), EXAMPLE_KINDS, 3, 3, 1), 6))
        for root in (there.root, bank.root)
    ]
    assert all(same_example(a, b) for a, b in zip(*examples, strict=True))
    files.rm_file("tone-banks/one/shard-000000.tar")
    with pytest.raises(InputError, match=r"s3://tone-banks/one/shard-000000\.tar: shard is missing"):
        Tables.open(there.root).blocks("train")
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()
