"""`python -m train evaluate`: scores of a checkpoint on held-out pairs, or of any files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from manifests.vocabulary import BadInput
from train.evaluate_run import Track, evaluate_checkpoint, evaluate_files
from train.evaluate_summary import rich_tables, verdicts


@contextmanager
def tracking(what: str, unit: str, console: Console) -> Iterator[Track]:
    """A progress bar with rate and time left; yields what starts it with the number of `unit`s to do."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:

        def start(total: int) -> Callable[[], Any]:
            task = progress.add_task(what, total=total, rate="")

            def advance() -> None:
                progress.advance(task)
                speed = progress.tasks[0].speed
                progress.update(task, rate=f"{speed:.1f} {unit}/s" if speed else "")

            return advance

        yield start


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Torch on one thread inside: conversions run side by side, and are the same on any number of cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def evaluate(
    out: Annotated[Path, typer.Option(help="Folder for scores.parquet and summary.json.")],
    checkpoint: Annotated[Path | None, typer.Option(help="Checkpoint to score (with --data).")] = None,
    data: Annotated[Path | None, typer.Option(help="Dataset folder to draw held-out pairs from.")] = None,
    split: Annotated[
        list[str] | None, typer.Option(help="Split to score; repeat for several. Default: all but train.")
    ] = None,
    pairs: Annotated[int, typer.Option(help="Pairs of each kind in each split.")] = 64,
    files: Annotated[
        Path | None,
        typer.Option(help="Instead: a CSV with columns source, reference, target, estimate (and method)."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the pairs and of the intervals.")] = 0,
    workers: Annotated[
        int | None, typer.Option(help="Threads that convert and score. Default: all cores.")
    ] = None,
) -> None:
    """Score conversions against the clips they should have become, beside copies and silence."""
    console = Console()
    with tracking("scoring", "pairs", console) as track:
        if files is not None:
            if checkpoint is not None or data is not None:
                raise BadInput("--files: scores the files as they are; leave out --checkpoint and --data")
            summary = evaluate_files(files, seed, out, track, workers)
        else:
            if checkpoint is None or data is None:
                raise BadInput("evaluate: expected --checkpoint with --data, or --files")
            from train.conversion import load_codec

            codec = load_codec(checkpoint)
            with one_torch_thread():
                summary = evaluate_checkpoint(
                    codec, checkpoint, data, split or [], pairs, seed, out, console.print, track, workers
                )
    for table in rich_tables(summary):
        console.print(table)
    for line in verdicts(summary):
        console.print(line, soft_wrap=True, highlight=False)
    console.print(f"All scores and intervals: {out}/scores.parquet and summary.json", soft_wrap=True)
