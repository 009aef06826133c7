"""The state of a training run: what learns, how far it is, and how it is saved and brought back.

    RUN/config.yaml             the resolved config
    RUN/best.safetensors        averaged weights that scored best on validation: the ones to use
    RUN/last.safetensors        averaged weights of the last checkpoint
    RUN/last.state.pt           everything needed to go on from there, bit for bit
    RUN/logs/                   TensorBoard

The place in the data is no state: step s takes examples s * batch and up of the stream, on any number of
devices. Nor is a random generator: what a step draws is seeded by its number.
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
from train.fitting.divergence import Usual
from train.fitting.schedule import Average
from train.systems import build
from train.systems.base import Format, System

MAY_CHANGE = (
    "devices", "num_nodes", "accelerator", "log_every", "save_every", "judge_every", "judge_pairs",
    "data.threads",
)  # fmt: skip
"""Settings that a run may be resumed with others of: none changes what is learned, but for rounding."""


class Run:
    """The moving parts of a training run."""

    def __init__(self, config: RunConfig, tables: Tables, out: Path, fabric: Fabric) -> None:
        self.config, self.out, self.fabric, self.tables = config, out, fabric, tables
        self.fingerprint = str(tables.layout.metadata().get("fingerprint", ""))
        names = tuple(tables.timbre_names[id] for id in tables.train_timbres)
        format = Format(tables.rate, tables.cut_fade_ms, names)
        self.system: System = build(config.system, config.model, format, config.seed).to(fabric.device)
        if config.start_from is not None and not (out / "last.state.pt").exists():
            start_from(self.system, Path(config.start_from))
        self.average = Average(self.system, config.optimiser.ema)
        self.parameter_groups = self.system.parameter_groups()
        optimiser = config.optimiser
        self.optimisers = {
            name: torch.optim.AdamW(
                parameters,
                lr=optimiser.learning_rate,
                betas=optimiser.betas,
                weight_decay=optimiser.weight_decay,
            )
            for name, parameters in self.parameter_groups.items()
        }
        self.usual = Usual()
        self.step = 0
        self.seconds = 0.0
        self.best = float("inf")
        self.parts: int | None = None
        self._clock = time.monotonic()
        self._judged: System | None = None

    @property
    def progress(self) -> float:
        """The share of the run that is done: by steps, or by time where `minutes` run out first.

        The schedule follows it, so that a slow machine too comes to the end of its schedule in time.
        """
        timed = self.seconds / (60.0 * self.config.minutes) if self.config.minutes else 0.0
        return min(1.0, max(self.step / self.config.steps, timed))

    def time(self) -> float:
        """Training seconds so far. All ranks go by `seconds`, set once a step from the first one's."""
        now = time.monotonic()
        spent, self._clock = now - self._clock, now
        return self.seconds + spent

    def averaged(self) -> System:
        """A copy of the system with the averaged weights, for validation."""
        if self._judged is None:
            self._judged = build(self.config.system, self.config.model, self.system.format)
            self._judged.to(self.fabric.device)
        self._judged.load_state_dict(self.average.state())
        return self._judged.eval()

    def save(self, name: str) -> None:
        """Writes a checkpoint called `name`; for `last` the state first, which is what a run goes on from."""
        if not self.fabric.is_global_zero:
            return
        if name == "last":
            save_state(self.out / "last.state.pt", self._state())
        metadata = metadata_of(self.config, self.system, self.step, self.fingerprint)
        save_weights(self.out / f"{name}.safetensors", self.average.state(), metadata)

    def _state(self) -> dict[str, Any]:
        return {
            "config": self.config.model_dump_json(),
            "fingerprint": self.fingerprint,
            "step": self.step,
            "seconds": self.seconds,
            "best": self.best,
            "parts": self.parts,
            "usual": self.usual.state(),
            "weights": self.system.state_dict(),
            "average": self.average.state(),
            "optimisers": {name: o.state_dict() for name, o in self.optimisers.items()},
        }

    def restore(self) -> bool:
        """Goes on from RUN/last, if there is one; InputError if it belongs to another config or dataset."""
        path = self.out / "last.state.pt"
        if not path.exists():
            if (self.out / "last.safetensors").exists():
                raise InputError(f"{path}: missing beside last.safetensors; start a new run folder")
            return False
        state = read_state(path)
        try:
            self._check_same(json.loads(state["config"]), state["fingerprint"])
            load_weights(self.system, state["weights"], path)
            self.average.load(state["average"])
            for name, optimiser in self.optimisers.items():
                optimiser.load_state_dict(state["optimisers"][name])
            self.usual.load(state["usual"])
            self.step, self.parts = int(state["step"]), int(state["parts"])
            self.seconds, self.best = float(state["seconds"]), float(state["best"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path}: not the state of this run ({error}); start a new one") from None
        return True

    def _check_same(self, config: dict[str, Any], fingerprint: str) -> None:
        # Parsed and dumped, since a run that was made before may name settings by their old names.
        theirs = parse_config(config, str(self.out)).model_dump(mode="json")
        ours = self.config.model_dump(mode="json")
        different = [line for line in differences(ours, theirs) if line.partition(":")[0] not in MAY_CHANGE]
        if different:
            raise InputError(
                f"{self.out}: made with another config ({'; '.join(different)}); use a new run folder"
            )
        if fingerprint != self.fingerprint:
            raise InputError(f"{self.out}: made from another dataset than {self.tables.layout.root}")
