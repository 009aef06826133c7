"""Runs a training that notes what each rank reads.

Usage: `python -m tests.support.training.distributed_run CONFIG DATA OUT NOTES [STEPS]`.

With STEPS it sends itself SIGTERM after so many steps.
NOTES/rank-R.json holds the keys of the parts that rank R collated, in order, and the losses of each step. The
launcher of several devices starts a program again for each of them, so this has to be one.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from train.config import load_config
from train.data.examples import Example
from train.fitting.loop import Callbacks, fit
from train.systems import SYSTEMS
from train.systems.base import System


def train_and_record(config: Path, data: Path, out: Path, notes: Path, stop_after: int | None = None) -> None:
    """Trains, and writes the keys and losses of this rank."""
    parts: list[list[str]] = []
    losses: dict[int, dict[str, float]] = {}
    settings = load_config(config)
    system = SYSTEMS[settings.system][1]
    collate = system.collate

    def noted(self: System, examples: Sequence[Example], classes: dict[int, int]) -> Any:
        parts.append([example.target.id.key for example in examples])
        return collate(self, examples, classes)

    def on_step(step: int, found: dict[str, float], speed: float) -> None:
        losses[step] = found
        if step == stop_after:
            os.kill(os.getpid(), signal.SIGTERM)

    system.collate = noted
    try:
        fit(settings, data, out, Callbacks(on_step=on_step))
    finally:
        system.collate = collate
    rank = int(os.environ.get("LOCAL_RANK", 0)) + int(os.environ.get("NODE_RANK", 0))
    notes.mkdir(parents=True, exist_ok=True)
    (notes / f"rank-{rank}.json").write_text(json.dumps({"parts": parts, "losses": losses}))


if __name__ == "__main__":
    train_and_record(*(Path(argument) for argument in sys.argv[1:5]), *(int(steps) for steps in sys.argv[5:]))
