"""Logs: losses, audio and pictures of a run in TensorBoard."""

from __future__ import annotations

from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from manifests.dataset.layout import Layout
from tests.support.training.short_runs import run_config
from train.fitting.loop import fit


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
