"""`python -m train fit`: trains with a progress bar."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from manifests.dataset.storage import location
from train.config import load_config
from train.fitting.loop import Callbacks, fit


def fit_command(
    config: Annotated[Path, typer.Argument(help="YAML config, such as configs/train/demo.yaml.")],
    data: Annotated[str, typer.Option(help="Dataset folder, or its URL (s3://…).")],
    out: Annotated[Path, typer.Option(help="Run folder; one that was begun is gone on with.")],
) -> None:
    """Train a codec; running it again goes on where it stopped."""
    checked = load_config(config)
    console = Console(stderr=True)
    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TextColumn("loss {task.fields[loss]}"),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=console)
    # The bar is begun by the first of several devices only.
    with ExitStack() as begun:
        task = bar.add_task("training", total=checked.steps, speed="", loss="")
        first: list[bool] = []
        running: list[float] = []
        speeds: list[float] = []

        def on_start(what: str, step: int) -> None:
            console.print(what if not step else f"{what}; going on from step {step}", highlight=False)
            begun.enter_context(bar)
            first.append(True)

        def on_step(step: int, losses: dict[str, float], speed: float) -> None:
            running.append(sum(v for name, v in losses.items() if not name.endswith("gradient")))
            speeds.append(speed)
            del running[:-50], speeds[:-20]
            bar.update(
                task,
                completed=step,
                speed=f"{sum(speeds) / len(speeds):.2f} steps/s",
                loss=f"{sum(running) / len(running):.3f}",
            )

        def on_scores(step: int, scores: dict[str, float]) -> None:
            told = ", ".join(f"{kind} {value:.2f}" for kind, value in scores.items())
            if told:
                console.print(f"step {step}: validation, floored MSTFT: {told}")

        outcome = fit(checked, location(data), out, Callbacks(on_start, on_step, on_scores))
    console.quiet = not first
    where = f"{outcome.step} steps in {outcome.seconds:.0f} s"
    if outcome.interrupted:
        console.print(f"stopped after {where}; run the same command again to go on")
        raise typer.Exit(128 + outcome.signal)
    console.print(f"{where}: {out}/best.safetensors")
