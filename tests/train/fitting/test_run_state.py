"""Run state: a run resumes although its weights were not yet written."""

from __future__ import annotations

from pathlib import Path

import pytest

from manifests.dataset.layout import Layout
from tests.support.training.short_runs import run_config, same_weights
from train.checkpoint import read_state
from train.fitting.loop import Callbacks, fit


def test_a_run_resumes_although_its_weights_were_not_yet_written(layout: Layout, tmp_path: Path) -> None:
    """A run killed between writing state and weights resumes from the state."""
    config = run_config(validation_pairs=0, save_every=2)
    fit(config, layout.root, tmp_path / "whole")
    assert read_state(tmp_path / "whole" / "last.state.pt")["step"] == 6

    class Killed(Exception):
        pass

    def stop(step: int, losses: dict[str, float], speed: float) -> None:
        if step == 3:
            raise Killed

    with pytest.raises(Killed):
        fit(config, layout.root, tmp_path / "run", Callbacks(on_step=stop))
    (tmp_path / "run" / "last.safetensors").unlink()
    fit(config, layout.root, tmp_path / "run")
    assert same_weights(tmp_path / "run" / "last.safetensors", tmp_path / "whole" / "last.safetensors")
