"""Logs: losses, audio and pictures of a run; a resumed run goes on in the same logs."""

from __future__ import annotations

import csv
import os
import signal
import sys
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from manifests.dataset.layout import Layout
from manifests.types import InputError
from tests.support.training.short_runs import run_config
from train.config import RunConfig
from train.fitting.loggers import open_loggers
from train.fitting.loop import Callbacks, fit


def test_logs_hold_losses_audio_and_figures(layout: Layout, tmp_path: Path) -> None:
    fit(run_config(log_every=2, validate_every=6), layout.root, tmp_path)
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


def fit_in_two_parts(config: RunConfig, layout: Layout, out: Path) -> None:
    """Trains for six steps, stopped after the third."""

    def stop(step: int, losses: dict[str, float], speed: float) -> None:
        if step == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    assert fit(config, layout.root, out, Callbacks(on_step=stop)).step == 3
    assert fit(config, layout.root, out).step == 6


def test_a_resumed_run_goes_on_in_tensorboard_and_csv(layout: Layout, tmp_path: Path) -> None:
    config = run_config(log_every=1, validate_every=6, logger=["tensorboard", "csv"])
    fit_in_two_parts(config, layout, tmp_path)
    events = EventAccumulator(str(tmp_path / "logs"))
    events.Reload()
    assert [event.step for event in events.Scalars("loss/stft")] == [1, 2, 3, 4, 5, 6]
    with (tmp_path / "logs" / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    losses = [(int(row["step"]), float(row["loss/stft"])) for row in rows if row["loss/stft"]]
    assert [step for step, _ in losses] == [1, 2, 3, 4, 5, 6]
    assert [value for _, value in losses] == pytest.approx([e.value for e in events.Scalars("loss/stft")])
    assert float(next(row["validation/both"] for row in rows if row["validation/both"])) > 0.0


def test_what_was_logged_after_the_checkpoint_is_dropped_from_csv(tmp_path: Path) -> None:
    config = run_config(logger="csv")
    first = open_loggers(config, tmp_path, 0)[0]
    for step in (1, 2, 3, 4):
        first.log_metrics({"loss/stft": float(step)}, step)
    again = open_loggers(config, tmp_path, 2)[0]
    again.log_metrics({"loss/stft": 30.0, "loss/new": 1.0}, 3)
    with (tmp_path / "logs" / "metrics.csv").open(newline="") as file:
        values = [float(row["loss/stft"]) for row in csv.DictReader(file)]
    assert values == [1.0, 2.0, 30.0]
    (tmp_path / "logs" / "metrics.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"metrics\.csv: not a table of the CSV logger"):
        open_loggers(config, tmp_path, 2)


def test_a_run_without_loggers_writes_no_logs(layout: Layout, tmp_path: Path) -> None:
    fit(run_config(steps=1, logger="none"), layout.root, tmp_path)
    assert not (tmp_path / "logs").exists()


def test_a_resumed_run_goes_on_in_weights_and_biases(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "home"))
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "home"))
    fit_in_two_parts(run_config(log_every=1, validate_every=6, logger="wandb"), layout, tmp_path / "run")
    logs = tmp_path / "run" / "logs"
    run_id = (logs / "wandb_id").read_text().strip()
    parts = sorted((logs / "wandb").glob("offline-run-*"))
    assert [path.name.rpartition("-")[2] for path in parts] == [run_id, run_id]
    assert b"loss/stft" in (parts[0] / f"run-{run_id}.wandb").read_bytes()
    assert list((parts[1] / "files" / "media").rglob("*.wav")), "conversions of the validation"


def test_weights_and_biases_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(InputError, match=r"logger wandb: wandb is not installed; pip install .*\[wandb\]"):
        open_loggers(run_config(logger="wandb"), tmp_path, 0)
