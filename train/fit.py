"""Training: one loop for every system, from a config and a dataset folder to a run folder.

    RUN/config.yaml             the resolved config
    RUN/best.safetensors        averaged weights that scored best on validation: the ones to use
    RUN/last.safetensors        averaged weights of the last checkpoint
    RUN/last.state.pt           everything needed to go on from there, bit for bit
    RUN/logs/                   TensorBoard

Running it again on the same folder goes on where it stopped; another config or dataset is refused. With
several devices gradients are averaged over the ranks by hand (a turn's player is no single module that DDP
could wrap), from equal weights on every rank.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import yaml
from lightning_fabric import Fabric
from torch import nn

from manifests import files
from manifests.canonical import differences
from manifests.vocabulary import BadInput
from train.checkpoint import load_weights, metadata_of, read_state, read_weights, save_state, save_weights
from train.config import RunConfig
from train.data.loader import Place
from train.data.tables import Tables
from train.judge import Judge
from train.logs import Logs
from train.schedule import Average, rate_factor
from train.source import open_loader
from train.systems import build
from train.systems.base import Format, System


@dataclass
class Report:
    """Who is told what: after each step its number, losses and steps a second; after a validation, scores."""

    on_step: Callable[[int, dict[str, float], float], None] = lambda step, losses, speed: None
    on_scores: Callable[[int, dict[str, float]], None] = lambda step, scores: None


@dataclass
class Outcome:
    """How a run ended: steps done of those planned, whether it was interrupted, and the best score."""

    step: int
    steps: int
    interrupted: bool
    best: float
    seconds: float
    losses: dict[str, float] = field(default_factory=dict)


class Run:
    """The moving parts of a training run, and how they are saved and brought back."""

    def __init__(self, config: RunConfig, data: Path, out: Path, fabric: Fabric) -> None:
        self.config, self.out, self.fabric = config, out, fabric
        self.tables = Tables.open(data)
        self.fingerprint = str(self.tables.layout.metadata().get("fingerprint", ""))
        names = tuple(self.tables.timbre_names[id] for id in self.tables.train_timbres)
        self.classes = {id: place for place, id in enumerate(self.tables.train_timbres)}
        format = Format(self.tables.rate, self.tables.cut_fade_ms, names)
        self.system: System = build(config.system, config.model, format, config.seed).to(fabric.device)
        self.average = Average(self.system, config.optimiser.ema)
        self.players = self.system.players()
        optimiser = config.optimiser
        self.optimisers = {
            name: torch.optim.AdamW(
                parameters,
                lr=optimiser.learning_rate,
                betas=optimiser.betas,
                weight_decay=optimiser.weight_decay,
            )
            for name, parameters in self.players.items()
        }
        self.step = 0
        self.seconds = 0.0
        self.best = float("inf")
        self.places = [Place()] * fabric.world_size
        self._judged: System | None = None

    @property
    def progress(self) -> float:
        """The share of the run that is done: by steps, or by time where `minutes` run out first.

        The schedule follows it, so that a slow machine too comes to the end of its schedule in time.
        """
        timed = self.seconds / (60.0 * self.config.minutes) if self.config.minutes else 0.0
        return min(1.0, max(self.step / self.config.steps, timed))

    def averaged(self) -> System:
        """A copy of the system with the averaged weights, for validation."""
        if self._judged is None:
            self._judged = build(self.config.system, self.config.model, self.system.format)
            self._judged.to(self.fabric.device)
        self._judged.load_state_dict(self.average.state())
        return self._judged.eval()

    def passed(self, clock: float) -> float:
        """Counts the time since `clock` as training time; returns the time now."""
        now = time.monotonic()
        self.seconds += now - clock
        return now

    def save(self, name: str) -> None:
        """Writes a checkpoint called `name`, and for `last` the state beside it."""
        if not self.fabric.is_global_zero:
            return
        metadata = metadata_of(self.config, self.system, self.step, self.fingerprint)
        save_weights(self.out / f"{name}.safetensors", self.average.state(), metadata)
        if name == "last":
            save_state(
                self.out / "last.state.pt",
                {
                    "step": self.step,
                    "seconds": self.seconds,
                    "best": self.best,
                    "places": [list(place) for place in self.places],
                    "weights": self.system.state_dict(),
                    "average": self.average.state(),
                    "optimisers": {name: o.state_dict() for name, o in self.optimisers.items()},
                },
            )

    def restore(self) -> bool:
        """Goes on from RUN/last, if there is one; BadInput if it belongs to another config or dataset."""
        weights_path, state_path = self.out / "last.safetensors", self.out / "last.state.pt"
        if not weights_path.exists() and not state_path.exists():
            return False
        for path in (weights_path, state_path):
            if not path.exists():
                raise BadInput(f"{path}: missing beside the rest of the checkpoint; start a new run folder")
        _, metadata = read_weights(weights_path)
        theirs, ours = yaml.safe_load(metadata["config"]), yaml.safe_load(self.config.model_dump_json())
        different = differences(ours, theirs)
        if different:
            raise BadInput(
                f"{self.out}: made with another config ({'; '.join(different)}); use a new run folder"
            )
        if metadata["fingerprint"] != self.fingerprint:
            raise BadInput(f"{self.out}: made from another dataset than {self.tables.layout.root}")
        state = read_state(state_path)
        try:
            load_weights(self.system, state["weights"], state_path)
            self.average.load(state["average"])
            for name, optimiser in self.optimisers.items():
                optimiser.load_state_dict(state["optimisers"][name])
            self.step, self.seconds, self.best = (
                int(state["step"]),
                float(state["seconds"]),
                float(state["best"]),
            )
            self.places = [Place(*place) for place in state["places"]]
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, BadInput):
                raise
            raise BadInput(f"{state_path}: not the state of this run ({error}); start a new one") from None
        if len(self.places) != self.fabric.world_size:
            raise BadInput(f"{self.out}: {len(self.places)} devices trained it; resume with as many")
        return True

    def learn(self, batch: Any) -> dict[str, float]:
        """One step: every turn of the system at one batch. Returns the losses by name."""
        progress = self.progress
        factor = rate_factor(self.step, progress, self.config.optimiser)
        losses: dict[str, float] = {}
        with self.fabric.autocast():
            for turn in self.system.turns(batch, progress):
                parameters, optimiser = self.players[turn.player], self.optimisers[turn.player]
                total = torch.stack(list(turn.losses.values())).sum()
                # Each turn's gradients reach its own player only: the others' are never kept.
                gradients = torch.autograd.grad(total, parameters, allow_unused=True)
                for parameter, gradient in zip(parameters, gradients, strict=True):
                    parameter.grad = self._shared(gradient)
                norm = nn.utils.clip_grad_norm_(parameters, self._largest_norm(turn.player))
                for group in optimiser.param_groups:
                    group["lr"] = self.config.optimiser.learning_rate * factor
                if torch.isfinite(norm):
                    optimiser.step()
                losses |= {name: float(value.detach()) for name, value in turn.losses.items()}
                losses[f"{turn.player}_gradient"] = float(norm)
        self.average.update(self.system, self.step)
        self.step += 1
        return losses

    def _largest_norm(self, player: str) -> float:
        return self.config.optimiser.clips.get(player, self.config.optimiser.clip)

    def _shared(self, gradient: torch.Tensor | None) -> torch.Tensor | None:
        if gradient is None or self.fabric.world_size == 1:
            return gradient
        shared: torch.Tensor = self.fabric.all_reduce(gradient, reduce_op="mean")  # type: ignore[assignment]
        return shared


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Yields a function that says whether SIGINT or SIGTERM came; a second SIGINT stops at once."""
    came: list[int] = []

    def note(number: int, frame: object) -> None:
        if came and number == signal.SIGINT:
            raise KeyboardInterrupt
        came.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def fit(config: RunConfig, data: Path, out: Path, report: Report | None = None) -> Outcome:
    """Trains (or goes on training) in the run folder `out`; see the module's head for what it holds."""
    report = report or Report()
    fabric = Fabric(accelerator=config.accelerator, devices=config.devices, precision=config.precision)
    if config.devices > 1:
        fabric.launch()
    run = Run(config, data, out, fabric)
    judge = Judge(run.tables, config.judge_pairs, config.seed) if config.judge_pairs else None
    resumed = run.restore()
    # Before anything is written: it refuses a dataset whose shards are not all there.
    loader = open_loader(
        run.tables, run.system, config, run.places[fabric.global_rank], fabric.global_rank, fabric.device
    )
    if not resumed and fabric.is_global_zero:
        text = yaml.safe_dump(yaml.safe_load(config.model_dump_json()), sort_keys=False)
        files.replace(out / "config.yaml", text.encode())
    logs = Logs(out / "logs" if fabric.is_global_zero else None, run.step)
    losses: dict[str, float] = {}
    with loader, interruptible() as stopped:
        examples = iter(loader)
        run.system.train()
        finished, clock = run.progress >= 1.0, time.monotonic()
        while not finished and not _any(fabric, stopped()):
            run.system.prepare(run.progress, run.tables, out)
            batch = run.system.collate(list(islice(examples, config.batch)), run.classes).to(fabric.device)
            losses = run.learn(batch)
            run.places = _places(fabric, loader.place)
            speed = 1.0 / (time.monotonic() - clock)
            clock = run.passed(clock)
            finished = _any(fabric, run.progress >= 1.0)
            report.on_step(run.step, losses, speed)
            if finished or run.step % config.log_every == 0:
                logs.numbers("loss", losses, run.step)
                logs.numbers("run", {"steps_per_second": speed}, run.step)
            if finished or run.step % config.judge_every == 0:
                _judge(run, judge, logs, report)
            if finished or run.step % config.save_every == 0:
                run.save("last")
            clock = run.passed(clock)
        interrupted = not finished
        if interrupted:
            run.save("last")
        elif judge is not None and fabric.is_global_zero:
            logs.conversions(run.averaged(), judge, run.step)
    logs.close()
    return Outcome(run.step, config.steps, interrupted, run.best, run.seconds, losses)


def _judge(run: Run, judge: Judge | None, logs: Logs, report: Report) -> None:
    """Scores the averaged weights and keeps them as `best` if no others were better."""
    if not run.fabric.is_global_zero:
        return
    scores = judge.scores(run.averaged()) if judge is not None else {}
    value = sum(scores.values()) / len(scores) if scores else 0.0
    logs.numbers("validation", scores, run.step)
    report.on_scores(run.step, scores)
    if not scores or value < run.best:
        run.best = value
        run.save("best")


def _places(fabric: Fabric, place: Place) -> list[Place]:
    if fabric.world_size == 1:
        return [place]
    gathered = fabric.all_gather(torch.tensor(place, device=fabric.device))
    return [Place(*pair) for pair in gathered.reshape(-1, 2).tolist()]  # type: ignore[union-attr]


def _any(fabric: Fabric, flag: bool) -> bool:
    """Whether any rank was told to stop: all must leave the loop at the same step."""
    if fabric.world_size == 1:
        return flag
    total = fabric.all_reduce(torch.tensor(float(flag), device=fabric.device), reduce_op="sum")
    return bool(total > 0)  # type: ignore[operator]
