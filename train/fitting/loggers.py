"""Opens the loggers of a run, which are classes of Lightning: TensorBoard, CSV and Weights & Biases.

RUN/logs/events.out…      TensorBoard
RUN/logs/metrics.csv      CSV: a row for each call, with the column `step`
RUN/logs/wandb/           Weights & Biases; RUN/logs/wandb_id keeps the id by which a resumed run goes on
"""

from __future__ import annotations

import csv
import os
import warnings
from collections.abc import Sequence
from pathlib import Path

from lightning_fabric.loggers.csv_logs import CSVLogger
from lightning_fabric.loggers.logger import Logger
from lightning_fabric.loggers.tensorboard import TensorBoardLogger

from manifests.dataset import files
from manifests.dataset.storage import utf8_name
from manifests.types import InputError
from manifests.version import DISTRIBUTION
from train.config import LoggerName, RunConfig

PROJECT = "triptych"
"""Project on Weights & Biases, unless the variable WANDB_PROJECT names another."""


def open_loggers(config: RunConfig, run_folder: Path, from_step: int) -> list[Logger]:
    """Opens the loggers that a config names, so that a resumed run goes on in its own logs.

    Args:
        config: The run's config.
        run_folder: The run's folder.
        from_step: Number of steps done. What an interrupted run logged later is dropped from TensorBoard and
            CSV; Weights & Biases cannot drop it.

    Raises InputError if Weights & Biases is not installed or refuses the run, or metrics.csv is not a table
    of this logger.

    Example: `open_loggers(config, Path("RUN"), 0)[0].log_metrics({"loss/stft": 1.2}, step=10)`
    """
    openers = {"tensorboard": _tensorboard, "csv": _csv, "wandb": _wandb}
    names: Sequence[LoggerName] = config.logger
    return [openers[name](config, run_folder, from_step) for name in names]


def _tensorboard(config: RunConfig, run_folder: Path, from_step: int) -> Logger:
    # Events of purge_step and later are hidden.
    return TensorBoardLogger(utf8_name(run_folder), name="logs", version="", purge_step=from_step + 1)


def _csv(config: RunConfig, run_folder: Path, from_step: int) -> Logger:
    path = run_folder / "logs" / "metrics.csv"
    kept = _rows(path, from_step) if from_step else []
    logger = CSVLogger(run_folder, name="logs", version="", flush_logs_every_n_steps=1)
    with warnings.catch_warnings():
        # It warns that it deletes the old table, whose rows are written again here.
        warnings.filterwarnings("ignore", message="Experiment logs directory")
        _ = logger.experiment
    for step, values in kept:
        logger.log_metrics(dict(values), step)
    return logger


def _rows(path: Path, last: int) -> list[tuple[int, dict[str, float]]]:
    """Reads the rows of metrics.csv up to step `last`: step and values by name. Empty if there is no file.

    Raises InputError if the file is not such a table.
    """
    if not path.exists():
        return []
    rows = []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                step = int(row.pop("step"))
                if step <= last:
                    rows.append((step, {name: float(text) for name, text in row.items() if text}))
    except (OSError, KeyError, ValueError, TypeError, csv.Error) as error:
        raise InputError(f"{path}: not a table of the CSV logger ({error}); move it away") from None
    return rows


def _wandb(config: RunConfig, run_folder: Path, from_step: int) -> Logger:
    try:
        import wandb
        from pytorch_lightning.loggers import WandbLogger
    except ModuleNotFoundError as error:
        raise InputError(
            f"logger wandb: {error.name} is not installed; pip install '{DISTRIBUTION}[wandb]'"
        ) from None
    logs = run_folder / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    id_file = logs / "wandb_id"
    run_id = id_file.read_text(encoding="utf-8").strip() if from_step and id_file.exists() else None
    project = os.environ.get("WANDB_PROJECT", PROJECT)
    name, settings = run_folder.resolve().name, wandb.Settings(silent=True)
    logger: Logger = WandbLogger(name, logs, run_id, project=project, settings=settings)
    try:
        logger.log_hyperparams(config.model_dump(mode="json"))
    except wandb.errors.Error as error:
        reason = " ".join(str(error).split())
        raise InputError(f"logger wandb: {reason}; log in, or set WANDB_MODE=offline") from None
    files.replace(id_file, f"{logger.version}\n".encode())
    return logger
