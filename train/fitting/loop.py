"""Trains any system: one loop from a config and a dataset to a run folder (see `run_state`).

A run that was stopped resumes from its folder; another config or dataset is refused. On several devices or
machines each of them runs this loop. What they exchange is in `distributed`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from manifests.dataset import files
from manifests.lock import holding
from manifests.types import InputError
from train.config import RunConfig, as_yaml
from train.data.batches import Batches, parts_of
from train.data.loader import Loader
from train.data.source import Source
from train.data.tables import Tables
from train.fitting.data_source import check_source, open_source
from train.fitting.distributed import all_gather, shutdown
from train.fitting.divergence import DivergenceError
from train.fitting.loggers import open_loggers
from train.fitting.logs import Logs
from train.fitting.run_state import TrainingRun
from train.fitting.signals import deferred_signals
from train.fitting.steps import train_step
from train.fitting.validation import Validator

LOCK = ".lock"
"""File in a run's folder by which one process holds it."""
KEYS_SHOWN = 8
"""Clip keys in the message of a run that diverged. RUN/diverged.json has all of them."""


class TrainingDiverged(InputError):
    """An error about a run whose losses or gradients are no longer usable."""


@dataclass
class Callbacks:
    """Functions that report progress. They are called on the first device only.

    Attributes:
        on_start: Called once, with a description of the run and the step from which it starts.
        on_step: Called after each step, with its number from 1, its losses by name, and steps per second.
        on_scores: Called after each validation, with the step and the scores by kind of conversion.
    """

    on_start: Callable[[str, int], None] = lambda description, step: None
    on_step: Callable[[int, dict[str, float], float], None] = lambda step, losses, speed: None
    on_scores: Callable[[int, dict[str, float]], None] = lambda step, scores: None


@dataclass
class FitResult:
    """How a run ended.

    Attributes:
        step: Number of steps done.
        steps: Number of steps planned.
        signal: Number of the signal that stopped the run; 0 if it is finished.
        best_score: The best validation score; lower is better.
        seconds: Training time in s.
        losses: Losses of the last step, by name.
    """

    step: int
    steps: int
    signal: int
    best_score: float
    seconds: float
    losses: dict[str, float] = field(default_factory=dict)

    @property
    def interrupted(self) -> bool:
        """Whether a signal stopped the run."""
        return self.signal != 0


def fit(config: RunConfig, data: Path, out: Path, callbacks: Callbacks | None = None) -> FitResult:
    """Trains a system, or resumes its training.

    Args:
        config: The run's config.
        data: Folder or URL of a dataset or tone bank.
        out: The run's folder, created if absent.
        callbacks: Functions that report progress.

    Raises InputError if the dataset cannot be used, if `out` belongs to another config or dataset or another
    process trains in it, if a logger cannot be opened, or if the machines see different folders;
    TrainingDiverged if losses or gradients become unusable.

    Example::

        result = fit(load_config(Path("configs/train/tiny.yaml")), Path("dataset"), Path("RUN"))
    """
    tables = Tables.open(data)
    validator = Validator(tables, config.validation_pairs, config.seed) if config.validation_pairs else None
    check_source(tables, config)
    fabric = launch(config)
    with _held(fabric, out):
        return _fit(fabric, config, tables, validator, out, callbacks)


def _fit(
    fabric: Fabric,
    config: RunConfig,
    tables: Tables,
    validator: Validator | None,
    out: Path,
    callbacks: Callbacks | None,
) -> FitResult:
    run = TrainingRun(config, tables, out, fabric)
    resumed = run.restore()
    if len(set(all_gather(fabric, run.step))) > 1:
        raise InputError(f"{out}: not the same folder on every machine; put it where all of them see it")
    run.micro_batches = parts_of(config.batch, config.micro_batch, fabric.world_size, run.micro_batches)
    callbacks = callbacks if callbacks is not None and fabric.is_global_zero else Callbacks()
    with deferred_signals() as received:
        if fabric.is_global_zero and not resumed:
            files.replace(out / "config.yaml", as_yaml(config))
        with (
            closing(Logs(open_loggers(config, out, run.step) if fabric.is_global_zero else [])) as logs,
            batches_of(run, open_source(tables, run.system, config, fabric.device)) as batches,
        ):
            result = _loop(run, batches, validator, logs, callbacks, received)
        # A launcher ends all ranks when one has ended. No rank may end before the first has written.
        shutdown(fabric)
    return result


@contextmanager
def _held(fabric: Fabric, out: Path) -> Iterator[None]:
    """Holds the run's folder while it trains. All ranks raise InputError if another run holds it."""
    with ExitStack() as stack:
        refusal = ""
        if fabric.is_global_zero:
            try:
                stack.enter_context(holding(out / LOCK, str(out)))
            except InputError as error:
                refusal = str(error)
        if refused := max(all_gather(fabric, refusal)):
            raise InputError(refused)
        yield


def launch(config: RunConfig) -> Fabric:
    """Starts the devices of a run."""
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


def batches_of(run: TrainingRun, source: Source[Any]) -> Batches:
    """Makes the iterator of this rank's micro-batches."""
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
    classes = {id: index for index, id in enumerate(run.tables.train_timbres)}
    assert run.micro_batches is not None
    return Batches(
        loader,
        lambda examples: run.system.collate(examples, classes),
        config.batch,
        run.micro_batches,
        data.threads,
    )


def _loop(
    run: TrainingRun,
    batches: Batches,
    validator: Validator | None,
    logs: Logs,
    callbacks: Callbacks,
    received: Callable[[], int],
) -> FitResult:
    config, fabric = run.config, run.fabric
    losses: dict[str, float] = {}
    signal = 0
    callbacks.on_start(describe(run), run.step)
    steps = batches.steps(run.step)
    run.system.train()
    run.training_seconds()
    clock = time.monotonic()
    while not signal and run.progress < 1.0:
        _prepare(run, batches)
        micro_batches = [micro_batch.to(fabric.device) for micro_batch in next(steps)]
        try:
            losses = train_step(run, micro_batches, batches.numbers, batches.parts)
        except DivergenceError as error:
            raise _diverged(run, batches, error) from None
        now = time.monotonic()
        speed, clock = 1.0 / (now - clock), now
        finished = run.progress >= 1.0
        callbacks.on_step(run.step, losses, speed)
        if finished or run.step % config.log_every == 0:
            logs.add_scalars({"loss": losses, "run": {"steps_per_second": speed}}, run.step)
        if finished or run.step % config.validate_every == 0:
            _validate(run, validator, logs, callbacks)
        signal = max(all_gather(fabric, received()))
        if finished or signal or run.step % config.save_every == 0:
            run.save("last")
    signal = 0 if run.progress >= 1.0 else signal
    return FitResult(run.step, config.steps, signal, run.best_score, run.seconds, losses)


def _prepare(run: TrainingRun, batches: Batches) -> None:
    """Makes what the system's next stage needs. The other ranks read the files that the first has made."""
    if not run.system.needs_preparation(run.progress):
        return
    with run.fabric.rank_zero_first():
        batches_changed = run.system.prepare(run.progress, run.tables, run.out)
    if batches_changed:
        batches.recollate()


def describe(run: TrainingRun) -> str:
    """Describes a run's devices, precision and batches in one line."""
    config, world = run.config, run.fabric.world_size
    assert run.micro_batches is not None
    return (
        f"{world} x {run.fabric.device.type}, {config.precision}; batch of {config.batch} examples in"
        f" {run.micro_batches} micro-batch(es) of {config.batch // run.micro_batches}"
    )


def _validate(run: TrainingRun, validator: Validator | None, logs: Logs, callbacks: Callbacks) -> None:
    """Scores the averaged weights on the first rank, and saves them as `best` if no score was better."""
    if not run.fabric.is_global_zero:
        return
    scores: dict[str, float] = {}
    if validator is not None:
        scores, conversions = validator.validate(run.averaged_system())
        logs.add_scalars({"validation": scores}, run.step)
        logs.add_conversions(validator, conversions, run.tables.rate, run.step)
    mean = sum(scores.values()) / len(scores) if scores else 0.0
    callbacks.on_scores(run.step, scores)
    if not scores or mean < run.best_score:
        run.best_score = mean
        run.save("best")


def _diverged(run: TrainingRun, batches: Batches, error: DivergenceError) -> TrainingDiverged:
    """Writes RUN/diverged.json, and returns the error to raise. The last checkpoint is left as it is."""
    keys = batches.keys(run.step, error.micro_batches)
    if run.fabric.is_global_zero:
        report = {"step": run.step, "what": error.reason, "parts": error.micro_batches, "keys": keys}
        files.replace(run.out / "diverged.json", f"{json.dumps(report, indent=1)}\n".encode())
    more = f" and {len(keys) - KEYS_SHOWN} more in diverged.json" if len(keys) > KEYS_SHOWN else ""
    return TrainingDiverged(
        f"{run.out}: training diverged at step {run.step}: {error.reason}, at clips"
        f" {', '.join(keys[:KEYS_SHOWN])}{more}; try a lower optimiser.learning_rate (now"
        f" {run.config.optimiser.learning_rate:g}) or clip, more warmup_steps, or precision 32-true, and"
        " listen to these clips"
    )
