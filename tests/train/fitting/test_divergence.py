"""What the loop does besides training: ends a run that diverges, shows what it does, reads from a store."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from manifests.dataset.layout import Layout
from manifests.dataset.storage import location
from manifests.types import ClipId, InputError
from tests.support.s3_server import S3Server
from tests.support.synthetic_dataset import make_dataset
from tests.support.training.short_runs import SETTINGS, equal, settings
from tests.support.training.tiny_codec import SIZES
from train.checkpoint import read_state, read_weights
from train.cli.fit import fit_command
from train.codec.api import load_codec
from train.config import parse_config
from train.data.loader import Loader
from train.data.shards import Shards
from train.data.tables import Tables
from train.evaluation.run import evaluate_checkpoints
from train.fitting.divergence import SETTLED, STEPS, TIMES, Exploded, Usual
from train.fitting.loop import Diverged, Report, fit
from train.systems import build
from train.systems.base import Format, Turn
from train.systems.triptych.system import Triptych


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return make_dataset(tmp_path_factory.mktemp("data") / "set", train=(4, 2, 4), seconds=0.8)


@pytest.mark.parametrize("amiss", ["loss", "gradient"])
def test_a_run_that_diverges_stops_at_once_and_says_where(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, amiss: str
) -> None:
    """From the third step on a loss, or only its gradient, is not finite."""
    turns, seen = Triptych.turns, []

    def broken(self: Triptych, batch: Any, progress: float) -> Iterator[Turn]:
        seen.append(progress)
        for turn in turns(self, batch, progress):
            name, value = next(iter(turn.losses.items()))
            if len(seen) > 2 and amiss == "loss":
                value = value * math.nan
            if len(seen) > 2 and amiss == "gradient":
                value = value + (next(self.parameters()).sum() * 0.0).abs().sqrt()
            yield turn._replace(losses={**turn.losses, name: value})

    monkeypatch.setattr(Triptych, "turns", broken)
    out = tmp_path / "run"
    with pytest.raises(Diverged) as stopped:
        fit(settings(save_every=1, judge_pairs=0), layout.root, out)
    said, about = str(stopped.value), json.loads((out / "diverged.json").read_text())
    assert "step 2: " in said
    assert "is nan" in said
    assert ("loss '" in said) == (amiss == "loss")
    assert "optimiser.learning_rate (now 0.001)" in said
    assert "\n" not in said
    assert about["step"] == 2
    assert len(about["keys"]) == 4
    assert all(ClipId.parse(key).key in said for key in about["keys"])
    # The last checkpoint is from before, and whole.
    state = read_state(out / "last.state.pt")
    assert state["step"] == 2
    assert all(torch.isfinite(value).all() for value in state["weights"].values())


def test_losses_far_above_what_is_usual_end_a_run_but_not_a_single_one() -> None:
    usual = Usual()
    for step in range(SETTLED):
        usual.check({0: {"a": 2.0 - step * 0.01, "b": -1.0}, 1: {"a": 1.0, "b": -1.0}})
    high = {0: {"a": 1.0, "b": -1.0}, 1: {"a": 2.1 * TIMES * usual.mean, "b": 0.0}}
    usual.check(high)
    usual.check({0: {"a": 1.0}, 1: {"a": 1.0}})
    again = Usual()
    again.load(usual.state())
    for _ in range(STEPS - 1):
        again.check(high)
    with pytest.raises(Exploded, match=r"losses of .* in all, usual is 2") as stopped:
        again.check(high)
    assert stopped.value.parts == [1]
    with pytest.raises(Exploded, match="loss 'b' is inf"):
        Usual().check({3: {"a": 1.0, "b": math.inf}})


@pytest.mark.parametrize("begins", [1, SETTLED])
def test_losses_that_grow_step_by_step_are_an_explosion(begins: int) -> None:
    """Twice as high at every step: no step is far above the last ones."""
    usual, step, size = Usual(), 0, 2.0
    with pytest.raises(Exploded, match=r"losses of .* in all, usual is 2$"):  # noqa: PT012
        while step < 60:
            size *= 2.0 if step >= begins else 1.0
            step += 1
            usual.check({0: {"a": size}})
    assert step <= max(begins + 8, SETTLED) + STEPS


def test_a_run_can_be_heard_and_seen(layout: Layout, tmp_path: Path) -> None:
    fit(settings(log_every=2, judge_every=6), layout.root, tmp_path)
    events = EventAccumulator(str(tmp_path / "logs"))
    events.Reload()
    tags = events.Tags()
    assert {f"{kind}/0/{what}" for kind in ("timbre", "both") for what in ("source", "converted")} <= set(
        tags["audio"]
    )
    assert {"timbre/0", "envelope/0", "both/0"} <= set(tags["images"])
    assert {"loss/stft", "loss/codec_gradient", "validation/both", "run/steps_per_second"} <= set(
        tags["scalars"]
    )
    assert [event.step for event in events.Scalars("loss/stft")] == [2, 4, 6]
    assert events.Audio("both/0/target")[0].sample_rate == 44_100


def test_mixed_precision_keeps_weights_in_float32(layout: Layout, tmp_path: Path) -> None:
    seen: list[dict[str, float]] = []
    config = settings(steps=2, precision="bf16-mixed", judge_pairs=0)
    fit(config, layout.root, tmp_path, Report(on_step=lambda step, losses, speed: seen.append(losses)))
    assert all(math.isfinite(value) for losses in seen for value in losses.values())
    weights, _ = read_weights(tmp_path / "last.safetensors")
    assert {value.dtype for value in weights.values() if value.is_floating_point()} == {torch.float32}


def test_parts_in_turn_are_one_batch(layout: Layout, tmp_path: Path) -> None:
    """Gradient accumulation: two parts of two on one device, against the same four in one."""
    seen = {
        micro: fit(
            settings(steps=1, micro_batch=micro, judge_pairs=0), layout.root, tmp_path / f"{micro}"
        ).losses
        for micro in (None, 2)
    }
    # Means over notes are not quite means over parts of the notes.
    for name in ("stft", "mel", "pitch", "timbre"):
        assert seen[2][name] == pytest.approx(seen[None][name], rel=0.15), name


def test_a_run_whose_weights_were_not_yet_written_goes_on(layout: Layout, tmp_path: Path) -> None:
    """Stopped for good between the state and the weights of one checkpoint: the state is enough."""
    config = settings(judge_pairs=0, save_every=2)
    fit(config, layout.root, tmp_path / "whole")
    assert read_state(tmp_path / "whole" / "last.state.pt")["step"] == 6

    class Killed(Exception):
        pass

    def stop(step: int, losses: dict[str, float], speed: float) -> None:
        if step == 3:
            raise Killed

    with pytest.raises(Killed):
        fit(config, layout.root, tmp_path / "run", Report(on_step=stop))
    (tmp_path / "run" / "last.safetensors").unlink()
    fit(config, layout.root, tmp_path / "run")
    assert equal(tmp_path / "run" / "last.safetensors", tmp_path / "whole" / "last.safetensors")


def test_a_batch_holds_pieces_from_note_onsets(layout: Layout) -> None:
    """Onset crops: about half of the pieces begin where a note does, the others later in it."""
    tables = Tables.open(layout.root)
    config = parse_config({"steps": 1, "model": {**SIZES, "note_seconds": 0.1}}, "test")
    system = build("triptych", config.model, Format(tables.rate, tables.cut_fade_ms, ("a",)), 1)
    with Loader(Shards(tables), system.kinds, 1, 2, 1) as loader:
        examples = list(islice(loader, 24))
    batch = system.collate(examples, {})
    starts = batch.start_R.tolist()
    assert 0.3 < sum(start == 0.0 for start in starts) / len(starts) < 1.0


@pytest.fixture
def stored(layout: Layout) -> Iterator[str]:
    """The dataset in a bucket, over a real S3 API on this machine."""
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
def test_training_and_scoring_from_a_store_are_those_from_the_folder(
    layout: Layout, stored: str, tmp_path: Path
) -> None:
    config = tmp_path / "run.yaml"
    config.write_text(yaml.safe_dump({**SETTINGS, "steps": 2, "judge_pairs": 0}))
    fit_command(config, stored, tmp_path / "there")
    fit(settings(steps=2, judge_pairs=0), layout.root, tmp_path / "here")
    assert equal(tmp_path / "there" / "last.safetensors", tmp_path / "here" / "last.safetensors")
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
        fit(settings(), location("s3://train-data/none"), tmp_path / "none")
