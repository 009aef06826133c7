"""Holds the state of a training run, saves it and restores it.

    RUN/config.yaml             the resolved config
    RUN/best.safetensors        averaged weights with the best validation score: the ones to use
    RUN/last.safetensors        averaged weights of the last checkpoint
    RUN/last.state.pt           everything needed to resume from there, bit for bit
    RUN/logs/                   logs, see `loggers`

The position in the data is not part of the state: step s takes examples s * batch and up of the stream, on
any number of devices. Nor are random generators: what a step draws is seeded by its number.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from manifests.dataset.canonical import differences
from manifests.types import InputError
from train.checkpoint import load_weights, metadata_of, read_state, save_state, save_weights, start_from
from train.config import RunConfig, parse_config
from train.data.tables import Tables
from train.fitting.divergence import LossMonitor
from train.fitting.schedule import WeightEMA
from train.systems import build
from train.systems.base import Format, System

MAY_CHANGE = (
    "devices", "num_nodes", "accelerator", "logger", "log_every", "save_every", "validate_every",
    "validation_pairs", "data.threads",
)  # fmt: skip
"""Settings that may differ when a run is resumed. They change what is learned by rounding at most."""


class TrainingRun:
    """A training run: system, optimisers, averaged weights, and how far it is.

    Args:
        config: The run's config.
        tables: Tables of the dataset or bank to train from.
        out: The run's folder.
        fabric: The run's devices, which are launched already.

    Attributes:
        step: Number of steps done.
        seconds: Training time in s, equal on all ranks.
        best_score: The best validation score so far; lower is better.
        micro_batches: Micro-batches of a step, on all ranks. None until they are counted.

    Raises InputError if the checkpoint of `start_from` does not fit.
    """

    def __init__(self, config: RunConfig, tables: Tables, out: Path, fabric: Fabric) -> None:
        self.config, self.out, self.fabric, self.tables = config, out, fabric, tables
        self.fingerprint = str(tables.layout.metadata().get("fingerprint", ""))
        names = tuple(tables.timbre_names[id] for id in tables.train_timbres)
        format = Format(tables.rate, tables.cut_fade_ms, names)
        self.system: System = build(config.system, config.model, format, config.seed).to(fabric.device)
        if config.start_from is not None and not (out / "last.state.pt").exists():
            start_from(self.system, Path(config.start_from))
        self.system.use_tables(tables)
        self.ema = WeightEMA(self.system, config.optimiser.ema)
        self.parameter_groups = self.system.parameter_groups()
        optimiser = config.optimiser
        self.optimisers = {
            group: torch.optim.AdamW(
                parameters,
                lr=optimiser.learning_rate,
                betas=optimiser.betas,
                weight_decay=optimiser.weight_decay,
            )
            for group, parameters in self.parameter_groups.items()
        }
        self.loss_monitor = LossMonitor()
        self.step = 0
        self.seconds = 0.0
        self.best_score = float("inf")
        self.micro_batches: int | None = None
        self._clock = time.monotonic()

    @property
    def progress(self) -> float:
        """The share of the run that is done, 0..1: by steps, or by time where `minutes` end first.

        The learning rate follows it, so that a slow machine finishes its schedule in time as well.
        """
        timed = self.seconds / (60.0 * self.config.minutes) if self.config.minutes else 0.0
        return min(1.0, max(self.step / self.config.steps, timed))

    def training_seconds(self) -> float:
        """Returns the training time in s, with what has passed since the last call.

        It is this rank's own. All ranks use `seconds`, which each step sets to the first rank's.
        """
        now = time.monotonic()
        elapsed, self._clock = now - self._clock, now
        return self.seconds + elapsed

    def averaged_system(self) -> System:
        """Returns a system with the averaged weights, for validation. The next step changes it."""
        system = self.ema.module.eval()
        assert isinstance(system, System)
        return system

    def save(self, name: str) -> None:
        """Writes the checkpoint `name` on the first rank: "best" or "last".

        With "last" the state is written first, from which the run resumes. Raises OSError if a file cannot be
        written.
        """
        if not self.fabric.is_global_zero:
            return
        if name == "last":
            save_state(self.out / "last.state.pt", self._state())
        metadata = metadata_of(self.config, self.system, self.step, self.fingerprint)
        save_weights(self.out / f"{name}.safetensors", self.ema.module.state_dict(), metadata)

    def _state(self) -> dict[str, Any]:
        return {
            "config": self.config.model_dump_json(),
            "fingerprint": self.fingerprint,
            "step": self.step,
            "seconds": self.seconds,
            "best": self.best_score,
            "parts": self.micro_batches,
            "usual": self.loss_monitor.state(),
            "weights": self.system.state_dict(),
            "average": self.ema.module.state_dict(),
            "optimisers": {group: o.state_dict() for group, o in self.optimisers.items()},
        }

    def restore(self) -> bool:
        """Restores RUN/last. Returns whether there was one.

        Raises InputError if its state file is missing or malformed, or belongs to another config or dataset.
        """
        path = self.out / "last.state.pt"
        if not path.exists():
            if (self.out / "last.safetensors").exists():
                raise InputError(f"{path}: missing beside last.safetensors; start a new run folder")
            return False
        state = read_state(path)
        try:
            self._check_same(json.loads(state["config"]), state["fingerprint"])
            self.step, self.micro_batches = int(state["step"]), int(state["parts"])
            load_weights(self.system, state["weights"], path)
            self.ema.resume(state["average"], self.step)
            for group, optimiser in self.optimisers.items():
                optimiser.load_state_dict(state["optimisers"][group])
            self.loss_monitor.load(state["usual"])
            self.seconds, self.best_score = float(state["seconds"]), float(state["best"])
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path}: not the state of this run ({error}); start a new one") from None
        return True

    def _check_same(self, config: dict[str, Any], fingerprint: str) -> None:
        # Parsed and dumped, since an older run may name settings by their old names.
        theirs = parse_config(config, str(self.out)).model_dump(mode="json")
        ours = self.config.model_dump(mode="json")
        different = [line for line in differences(ours, theirs) if line.partition(":")[0] not in MAY_CHANGE]
        if different:
            raise InputError(
                f"{self.out}: made with another config ({'; '.join(different)}); use a new run folder"
            )
        if fingerprint != self.fingerprint:
            raise InputError(f"{self.out}: made from another dataset than {self.tables.layout.root}")
