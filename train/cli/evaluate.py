"""`python -m train evaluate`: scores of a checkpoint on held-out pairs, or of any files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from manifests.cli.console import SkipBad, terminal
from manifests.dataset.storage import location
from manifests.types import InputError
from train.codec.released import released_checkpoint
from train.evaluation.files import parse_roles
from train.evaluation.formatting import comparison_sentences, rich_tables
from train.evaluation.given_pairs import PairCodecs, evaluate_files, evaluate_folder
from train.evaluation.run import ProgressStarter, evaluate_checkpoints
from train.evaluation.targets import targets_sentence
from train.evaluation.trial import ESTIMATE, is_system

if TYPE_CHECKING:
    from train.codec.api import Codec


@contextmanager
def tracking(what: str, unit: str, console: Console) -> Iterator[ProgressStarter]:
    """Show a progress bar with rate and time left; yields what starts it, given the number of `unit`s."""
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
    """Run torch on one thread: conversions run in parallel, and the number of cores does not matter."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def load_codecs(checkpoints: Mapping[str, Path]) -> dict[str, Codec]:
    """Loads the codec of each checkpoint, by name; torch is imported if there is one.

    Raises:
        InputError: If a checkpoint cannot be used.
    """
    if not checkpoints:
        return {}
    from train.codec.api import load_codec

    return {name: load_codec(path) for name, path in checkpoints.items()}


def named_checkpoints(checkpoints: list[str]) -> dict[str, Path]:
    """Parse `--checkpoint` options, PATH or NAME=PATH, into paths by name.

    Without a name, a checkpoint has that of its run's folder, or "estimate" if it is the only one.

    Raises:
        InputError: If a name occurs twice, or is that of a baseline or topline.
    """
    named: dict[str, Path] = {}
    for given in checkpoints:
        name, equals, path = given.partition("=")
        where = Path(path if equals else given)
        label = name if equals else ESTIMATE if len(checkpoints) == 1 else where.resolve().parent.name
        if label in named or not is_system(label):
            raise InputError(
                f"--checkpoint {given}: the name {label!r} is taken; choose another by NAME=PATH"
            )
        named[label] = where
    return named


def or_released(checkpoints: list[str] | None) -> list[str]:
    """Returns `--checkpoint` options, or the released codec if there are none.

    Raises:
        InputError: If there are none, and the package holds no released weights.
    """
    return checkpoints or [f"released={released_checkpoint()}"]


def evaluate(
    out: Annotated[Path, typer.Option(help="Folder for scores.parquet, summary.json and the reports.")],
    checkpoint: Annotated[
        list[str] | None,
        typer.Option(
            help="Checkpoint to score on --data, --folder or --files, or NAME=PATH; repeatable. Default with"
            " --data: the released weights."
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Dataset folder, or its URL, to draw held-out pairs from.")
    ] = None,
    split: Annotated[
        list[str] | None, typer.Option(help="Split to score; repeat for several. Default: all but train.")
    ] = None,
    pairs: Annotated[int, typer.Option(min=1, help="Pairs of each kind in each split.")] = 64,
    files: Annotated[
        Path | None,
        typer.Option(help="Instead: a CSV with columns source, reference, target, estimate (and method)."),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Instead: a folder whose file names hold pair and role or system.")
    ] = None,
    pattern: Annotated[str, typer.Option(help="How the folder's files are named.")] = "{pair}_{system}",
    roles: Annotated[
        str, typer.Option(help="Names of the roles in the folder: source=NAME,reference=NAME,target=NAME.")
    ] = "",
    robustness: Annotated[
        bool, typer.Option(help="Also score the first split with reverb, chorus, vibrato, a moving filter.")
    ] = False,
    retake: Annotated[
        Path | None, typer.Option(help="The same dataset from another take of its tones, for a topline.")
    ] = None,
    crepe: Annotated[bool, typer.Option(help="Also F0RMSE, by CREPE's tiny network.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the pairs and of the intervals.")] = 0,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Conversions and scores computed at a time. Default: all cores.")
    ] = None,
    skip_bad: SkipBad = False,
    octave_told: Annotated[
        bool, typer.Option(help="Also convert the files with the octave put into that of the target.")
    ] = False,
) -> None:
    """Score conversions against their targets, beside baselines that need no training.

    A run that was stopped resumes when the same command is given again.
    """
    console = terminal()
    asked = [name for name, value in (("--files", files), ("--folder", folder)) if value is not None]
    if len(asked) > 1 or (asked and data):
        raise InputError(f"{asked[0]}: names the pairs to score; leave out the other inputs")
    if octave_told and not (asked and checkpoint):
        raise InputError("--octave-told: expected --checkpoint with --folder or --files")
    if not asked and not data:
        raise InputError("evaluate: expected --data, --files or --folder")
    named = named_checkpoints(checkpoint or [] if asked else or_released(checkpoint))
    codecs = load_codecs(named)
    with tracking("scoring", "pairs", console) as track, one_torch_thread() if codecs else nullcontext():
        if files is not None:
            given = PairCodecs(codecs, named, octave_told)
            summary = evaluate_files(files, seed, out, track, workers, crepe, given, console.print, skip_bad)
        elif folder is not None:
            given = PairCodecs(codecs, named, octave_told)
            summary = evaluate_folder(
                folder,
                pattern,
                parse_roles(roles),
                seed,
                out,
                console.print,
                track,
                workers,
                crepe,
                given,
                skip_bad,
            )
        else:
            summary = evaluate_checkpoints(
                codecs,
                named,
                location(data or ""),
                split or [],
                pairs,
                seed,
                out,
                console.print,
                track,
                workers,
                robustness,
                retake,
                crepe,
            )
    if summary.get("heading"):
        console.print(f"{summary['heading']}.", style="bold")
    if sentence := targets_sentence(summary):
        console.print(f"{sentence}.")
    for table in rich_tables(summary):
        console.print(table, soft_wrap=False)
    for line in comparison_sentences(summary):
        console.print(line)
    console.print(f"All scores and intervals: {out}/scores.parquet, summary.json, report.md")
