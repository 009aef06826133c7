"""Training and scoring from an object store equal those from the folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from manifests.dataset.layout import Layout
from manifests.dataset.storage import location
from manifests.types import InputError
from tests.support.s3_server import S3Server
from tests.support.training.short_runs import SETTINGS, run_config, same_weights
from train.cli.fit import fit_command
from train.codec.api import load_codec
from train.evaluation.run import evaluate_checkpoints
from train.fitting.loop import fit


@pytest.fixture
def stored(layout: Layout) -> Iterator[str]:
    """Uploads the dataset to an S3 server on this machine."""
    s3fs = pytest.importorskip("s3fs")
    server = S3Server()
    server.start()
    # Kept instances know the servers of earlier tests.
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "testing")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        environment.setenv("AWS_ENDPOINT_URL", server.url)
        files = s3fs.S3FileSystem(skip_instance_cache=True)
        files.mkdir("train-data")
        files.put(str(layout.root), "train-data/set", recursive=True)
        yield "s3://train-data/set"
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


@pytest.mark.xdist_group("s3")
def test_training_and_scoring_from_an_object_store_equal_those_from_the_folder(
    layout: Layout, stored: str, tmp_path: Path
) -> None:
    config = tmp_path / "run.yaml"
    config.write_text(yaml.safe_dump({**SETTINGS, "steps": 2, "validation_pairs": 0}))
    fit_command(config, stored, tmp_path / "there")
    fit(run_config(steps=2, validation_pairs=0), layout.root, tmp_path / "here")
    assert same_weights(tmp_path / "there" / "last.safetensors", tmp_path / "here" / "last.safetensors")
    checkpoint = tmp_path / "here" / "best.safetensors"
    summaries = [
        evaluate_checkpoints(
            {"ours": load_codec(checkpoint)}, {"ours": checkpoint}, data, ["validation"], 1, 0,
            tmp_path / name, print, lambda total: lambda: None, 1,
        )
        for name, data in (("a", location(stored)), ("b", layout.root))
    ]  # fmt: skip
    assert summaries[0] == summaries[1]
    with pytest.raises(InputError, match=r"s3://train-data/none: no dataset\.json there"):
        fit(run_config(), location("s3://train-data/none"), tmp_path / "none")
