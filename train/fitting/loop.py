"""Training: one loop for every system, from a config and a dataset to a run folder (see `run_state`).

Running it again on the same folder goes on where it stopped; another config or dataset is refused. On
several devices or machines the same loop runs once for each; what they tell each other is in `distributed`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from manifests.dataset import files
from manifests.types import InputError
from train.config import RunConfig, as_yaml
from train.data.batches import Batches, parts_of
from train.data.loader import Loader
from train.data.source import Source
from train.data.tables import Tables
from train.fitting.data_source import check_source, open_source
from train.fitting.distributed import everyone, in_turn, leave
from train.fitting.divergence import Exploded
from train.fitting.logs import Logs
from train.fitting.run_state import Run
from train.fitting.signals import interruptible
from train.fitting.steps import learn
from train.fitting.validation import Judge

KEYS_TOLD = 8
"""Keys that the message of a run that diverged holds; all are in RUN/diverged.json."""


class Diverged(InputError):
    """A run whose losses or gradients are no longer fit to learn from."""


@dataclass
class Report:
    """Who is told what, on the first device: at the start on what it runs and from which step; after each
    step its number, losses and steps a second; after a validation, scores."""

    on_start: Callable[[str, int], None] = lambda what, step: None
    on_step: Callable[[int, dict[str, float], float], None] = lambda step, losses, speed: None
    on_scores: Callable[[int, dict[str, float]], None] = lambda step, scores: None


@dataclass
class Outcome:
    """How a run ended: steps done of those planned, the signal that stopped it (0: none), the best score."""

    step: int
    steps: int
    signal: int
    best: float
    seconds: float
    losses: dict[str, float] = field(default_factory=dict)

    @property
    def interrupted(self) -> bool:
        return self.signal != 0


def fit(config: RunConfig, data: Path, out: Path, report: Report | None = None) -> Outcome:
    """Trains (or goes on training) in the run folder `out`."""
    tables = Tables.open(data)
    judge = Judge(tables, config.judge_pairs, config.seed) if config.judge_pairs else None
    check_source(tables, config)
    fabric = launch(config)
    run = Run(config, tables, out, fabric)
    resumed = run.restore()
    if len(set(everyone(fabric, run.step))) > 1:
        raise InputError(f"{out}: not the same folder on every machine; put it where all of them see it")
    run.parts = parts_of(config.batch, config.micro_batch, fabric.world_size, run.parts)
    report = report if report is not None and fabric.is_global_zero else Report()
    with interruptible() as stopped:
        if fabric.is_global_zero and not resumed:
            files.replace(out / "config.yaml", as_yaml(config))
        logs = Logs(out / "logs" if fabric.is_global_zero else None, run.step)
        with batches_of(run, open_source(tables, run.system, config, fabric.device)) as batches:
            outcome = _loop(run, batches, judge, logs, report, stopped)
        logs.close()
        # Nobody leaves before the first rank has written: a launcher ends all when one has ended.
        leave(fabric)
    return outcome


def launch(config: RunConfig) -> Fabric:
    """The devices of a run, all of them started."""
    world = config.devices * config.num_nodes
    fabric = Fabric(
        accelerator=config.accelerator,
        devices=config.devices,
        num_nodes=config.num_nodes,
        precision=config.precision,
        strategy="ddp" if world > 1 else "auto",
    )
    if world > 1:
        fabric.launch()
    return fabric


def batches_of(run: Run, source: Source[Any]) -> Batches:
    """The run's batches, for this rank."""
    config, fabric = run.config, run.fabric
    data = config.data
    loader = Loader(
        source,
        run.system.kinds,
        config.seed,
        data.pool_blocks,
        data.threads,
        fabric.global_rank,
        fabric.world_size,
    )
    classes = {id: place for place, id in enumerate(run.tables.train_timbres)}
    assert run.parts is not None
    return Batches(
        loader,
        lambda examples: run.system.collate(examples, classes),
        config.batch,
        run.parts,
        data.threads,
    )


def _loop(
    run: Run,
    batches: Batches,
    judge: Judge | None,
    logs: Logs,
    report: Report,
    stopped: Callable[[], int],
) -> Outcome:
    config, fabric = run.config, run.fabric
    losses: dict[str, float] = {}
    stop = 0
    report.on_start(describe(run), run.step)
    coming = batches.steps(run.step)
    run.system.train()
    run.time()
    clock = time.monotonic()
    while not stop and run.progress < 1.0:
        if in_turn(fabric, lambda: run.system.prepare(run.progress, run.tables, run.out)):
            batches.again()
        parts = [part.to(fabric.device) for part in next(coming)]
        try:
            losses = learn(run, parts, batches.numbers, batches.parts)
        except Exploded as error:
            raise _diverged(run, batches, error) from None
        now = time.monotonic()
        speed, clock = 1.0 / (now - clock), now
        finished = run.progress >= 1.0
        report.on_step(run.step, losses, speed)
        if finished or run.step % config.log_every == 0:
            logs.numbers("loss", losses, run.step)
            logs.numbers("run", {"steps_per_second": speed}, run.step)
        if finished or run.step % config.judge_every == 0:
            _judge(run, judge, logs, report)
        stop = max(everyone(fabric, stopped()))
        if finished or stop or run.step % config.save_every == 0:
            run.save("last")
    return Outcome(run.step, config.steps, 0 if run.progress >= 1.0 else stop, run.best, run.seconds, losses)


def describe(run: Run) -> str:
    """On what a run trains, in a line."""
    config, world = run.config, run.fabric.world_size
    assert run.parts is not None
    return (
        f"{world} x {run.fabric.device.type}, {config.precision}; a step is {config.batch} examples in"
        f" {run.parts} part(s) of {config.batch // run.parts}"
    )


def _judge(run: Run, judge: Judge | None, logs: Logs, report: Report) -> None:
    """Scores the averaged weights and keeps them as `best` if no others were better."""
    if not run.fabric.is_global_zero:
        return
    scores: dict[str, float] = {}
    if judge is not None:
        scores, converted = judge.judge(run.averaged())
        logs.numbers("validation", scores, run.step)
        logs.conversions(judge, converted, run.tables.rate, run.step)
    value = sum(scores.values()) / len(scores) if scores else 0.0
    report.on_scores(run.step, scores)
    if not scores or value < run.best:
        run.best = value
        run.save("best")


def _diverged(run: Run, batches: Batches, error: Exploded) -> Diverged:
    """What to say of a step that cannot be learned from; the last checkpoint stays as it is."""
    keys = batches.keys(run.step, error.parts)
    if run.fabric.is_global_zero:
        about = {"step": run.step, "what": error.what, "parts": error.parts, "keys": keys}
        files.replace(run.out / "diverged.json", f"{json.dumps(about, indent=1)}\n".encode())
    more = f" and {len(keys) - KEYS_TOLD} more in diverged.json" if len(keys) > KEYS_TOLD else ""
    return Diverged(
        f"{run.out}: step {run.step}: {error.what}, at {', '.join(keys[:KEYS_TOLD])}{more}; what to try: a"
        f" lower optimiser.learning_rate (now {run.config.optimiser.learning_rate:g}) or clip, more"
        " warmup_steps, precision 32-true; and listen to those clips"
    )
