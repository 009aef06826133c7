"""`python -m train compare`: several systems on one dataset with equal training time."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from manifests.cli.console import terminal
from manifests.types import InputError
from train.cli.evaluate import one_torch_thread, tracking
from train.cli.fit import fit_command
from train.evaluation.compare.compare import estimate_duration, score_and_report, train_all
from train.evaluation.compare.config import load_compare

RATE = 44_100
"""Sample rate in Hz that an estimate without a dataset assumes."""


def compare(
    config: Annotated[Path, typer.Argument(help="YAML config, such as configs/compare/tiny.yaml.")],
    data: Annotated[Path | None, typer.Option(help="Dataset folder.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for runs, scores, page and table.")] = None,
    only_estimate: Annotated[
        bool, typer.Option("--estimate", help="Only estimate how long it will take.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Conversions and scores computed at a time. Default: all cores.")
    ] = None,
) -> None:
    """Train every system for the same time on one dataset and score all of them alike.

    A comparison that was stopped resumes when the same command is given again.
    """
    checked, runs = load_compare(config)
    console = terminal()
    say = console.print
    say(checked.heading)
    if only_estimate:
        estimate_duration(checked, runs, RATE, say)
        return
    if data is None or out is None:
        raise InputError("compare: expected --data and --out, or --estimate")
    train_all(checked, runs, data, out, fit_command, say)
    with one_torch_thread():
        bar = partial(tracking, console=console)
        table = score_and_report(checked, list(runs), data, out, say, bar, workers)
    say(table.read_text(encoding="utf-8"))
    say(f"{table}; all scores in {out}/scores, page: {out}/page.html", soft_wrap=True)
