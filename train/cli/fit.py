"""`python -m train fit`: trains a system, with a progress bar."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from manifests.cli.console import terminal
from manifests.dataset.storage import location
from train.config import load_config
from train.fitting.loop import Callbacks, fit


def fit_command(
    config: Annotated[Path, typer.Argument(help="YAML config, such as configs/train/demo.yaml.")],
    data: Annotated[str, typer.Option(help="Dataset folder, or its URL (s3://…).")],
    out: Annotated[Path, typer.Option(help="Run folder. An unfinished run in it is resumed.")],
) -> None:
    """Train a codec. A run that was stopped resumes when the same command is given again."""
    checked = load_config(config)
    console = terminal(stderr=True)
    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TextColumn("loss {task.fields[loss]}"),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=console)
    # Only the first of several devices shows the bar, which its `on_start` starts.
    with ExitStack() as started:
        task = bar.add_task("training", total=checked.steps, speed="", loss="")
        recent_losses: list[float] = []
        speeds: list[float] = []

        console.quiet = True

        def on_start(description: str, step: int) -> None:
            console.quiet = False
            resumed = f"; resumed at step {step}" if step else ""
            console.print(f"{description}{resumed}")
            started.enter_context(bar)

        def on_step(step: int, losses: dict[str, float], speed: float) -> None:
            recent_losses.append(sum(v for name, v in losses.items() if not name.endswith("gradient")))
            speeds.append(speed)
            del recent_losses[:-50], speeds[:-20]
            bar.update(
                task,
                completed=step,
                speed=f"{sum(speeds) / len(speeds):.2f} steps/s",
                loss=f"{sum(recent_losses) / len(recent_losses):.3f}",
            )

        def on_scores(step: int, scores: dict[str, float]) -> None:
            values = ", ".join(f"{kind} {value:.2f}" for kind, value in scores.items())
            if values:
                console.print(f"step {step}: validation, floored MSTFT: {values}")

        result = fit(checked, location(data), out, Callbacks(on_start, on_step, on_scores))
    done = f"{result.step} steps in {result.seconds:.0f} s"
    if result.interrupted:
        console.print(f"stopped after {done}; run the same command again to go on")
        raise typer.Exit(128 + result.signal)
    console.print(f"{done}: {out}/best.safetensors")
