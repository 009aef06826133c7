"""The training loop: losses fall, a stopped run resumes bit for bit, what does not fit is refused."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from manifests.dataset.layout import Layout
from manifests.types import InputError
from tests.support.synthetic_dataset import make_dataset
from tests.support.training.short_runs import run_config, same_weights
from train.checkpoint import (
    read_state,
)
from train.fitting.loop import LOCK, Callbacks, fit


def test_training_lowers_the_losses(layout: Layout, tmp_path: Path) -> None:
    history: list[dict[str, float]] = []
    optimiser = {"warmup_steps": 2, "learning_rate": 3e-3}
    config = run_config(steps=18, validation_pairs=0, save_every=100, optimiser=optimiser)
    fit(
        config,
        layout.root,
        tmp_path / "run",
        Callbacks(on_step=lambda step, losses, s: history.append(losses)),
    )
    for name in ("stft", "onset", "pitch", "envelope", "envelope_curve"):
        first, last = (np.mean([row[name] for row in rows]) for rows in (history[:4], history[-4:]))
        assert last < first, name
    assert {"discriminator", "generator", "feature_matching"} <= set(history[-1])
    assert not {"discriminator", "generator"} & set(history[0])


def test_a_stopped_run_resumes_bit_for_bit(layout: Layout, finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"

    def stop(step: int, losses: dict[str, float], speed: float) -> None:
        if step == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    outcome = fit(run_config(), layout.root, out, Callbacks(on_step=stop))
    assert (outcome.step, outcome.interrupted) == (4, True)
    # The number of loader threads makes no difference.
    outcome = fit(run_config(data={"pool_blocks": 2, "threads": 5}), layout.root, out)
    assert (outcome.step, outcome.interrupted) == (6, False)
    assert same_weights(out / "last.safetensors", finished / "last.safetensors")
    state, uninterrupted = (read_state(folder / "last.state.pt") for folder in (out, finished))
    for name, value in uninterrupted["weights"].items():
        assert torch.equal(value, state["weights"][name]), name


def test_a_run_out_of_time_finishes_its_schedule(layout: Layout, tmp_path: Path) -> None:
    rates: list[float] = []

    def watch(step: int, losses: dict[str, float], speed: float) -> None:
        rates.append(speed)

    outcome = fit(
        run_config(steps=100_000, minutes=0.03), layout.root, tmp_path / "run", Callbacks(on_step=watch)
    )
    assert not outcome.interrupted
    assert 1 <= outcome.step == len(rates) < 100_000
    assert (tmp_path / "run" / "best.safetensors").exists()
    assert fit(run_config(steps=100_000, minutes=0.03), layout.root, tmp_path / "run").step == outcome.step


def test_a_run_is_not_resumed_with_another_config_or_dataset(
    finished: Path, layout: Layout, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"another config \(batch: 5 != 4\)"):
        fit(run_config(batch=5), layout.root, finished)
    other = make_dataset(tmp_path / "other", train=(4, 2, 4), seconds=0.8, rate=8000)
    other.dataset_json.write_text(
        other.dataset_json.read_text().replace('"fingerprint": "test"', '"fingerprint": "x"')
    )
    with pytest.raises(InputError, match="another dataset"):
        fit(run_config(), other.root, finished)


def test_a_checkpoint_without_its_state_is_refused(finished: Path, layout: Layout, tmp_path: Path) -> None:
    (tmp_path / "last.safetensors").write_bytes((finished / "last.safetensors").read_bytes())
    with pytest.raises(InputError, match=r"last\.state\.pt: missing"):
        fit(run_config(), layout.root, tmp_path)


def test_a_second_run_in_the_same_folder_is_refused(layout: Layout, tmp_path: Path) -> None:
    refusals: list[str] = []

    def again(step: int, losses: dict[str, float], speed: float) -> None:
        with pytest.raises(InputError) as refused:
            fit(run_config(), layout.root, tmp_path / "run")
        refusals.append(str(refused.value))

    config = run_config(steps=1, validation_pairs=0)
    fit(config, layout.root, tmp_path / "run", Callbacks(on_step=again))
    assert f"in use by process {os.getpid()} on " in refusals[0]
    assert not (tmp_path / "run" / LOCK).exists()
