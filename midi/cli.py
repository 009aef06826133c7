"""Makes phrases from MIDI files or with the generator, and writes them as a phrases.parquet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import BaseModel, ValidationError
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from manifests.cli import console
from manifests.cli.settings import first_fault
from manifests.dataset.layout import to_table, write_table
from manifests.types import InputError
from midi.extract import ExtractSpec, extract_folder
from midi.generate import GenerateSpec, Observability, generate_phrases
from midi.table import label_generated, phrase_rows

app = console.app("Phrases from MIDI files or from the generator, as a phrases.parquet.")
_errors = console.terminal(stderr=True)

Out = Annotated[
    Path, typer.Option(help="Parquet file to write (.parquet); an interrupted run leaves no partial file")
]
Seconds = Annotated[
    float, typer.Option(min=0.1, max=60.0, help="clip length in seconds; every phrase fits it")
]
Lowest = Annotated[int, typer.Option(help="lowest MIDI pitch, at most 56")]
Highest = Annotated[int, typer.Option(help="highest MIDI pitch, at least 67")]

Spec = TypeVar("Spec", bound=BaseModel)


def _spec(kind: Callable[..., Spec], **fields: Any) -> Spec:
    """Validates options as a spec. Raises InputError that names the first invalid field."""
    try:
        return kind(**fields)
    except ValidationError as error:
        raise InputError(first_fault(error.errors(), "options")) from None


class _Rate(ProgressColumn):
    """Shows the rate in items per second."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:.0f}/s")


@contextmanager
def _progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """Shows a progress bar with rate and time left on stderr; yields its update function (done, total)."""
    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, transient=True, console=_errors, disable=not _errors.is_terminal) as progress:
        bar = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(bar, completed=done, total=total)


def _write(out: Path, rows: list[dict[str, Any]]) -> None:
    if out.is_dir() or out.suffix != ".parquet":
        raise InputError(f"--out {out}: expected the path of a .parquet file")
    try:
        write_table(out, to_table("phrases", rows))
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written ({error.strerror})") from None
    clusters = len({row["cluster"] for row in rows})
    typer.echo(f"{out}: {len(rows)} phrases, {clusters} of them different up to transposition")


@app.command()
def extract(
    folder: Annotated[Path, typer.Argument(help="folder of .mid files; subfolders are searched too")],
    out: Out,
    seconds: Seconds = 3.0,
    polyphony: Annotated[
        str,
        typer.Option(help="polyphonic tracks: skyline keeps the highest notes, refuse stops with an error"),
    ] = "skyline",
    fewest: Annotated[int, typer.Option(help="fewest notes of a phrase")] = 4,
    most: Annotated[int, typer.Option(help="most notes of a phrase")] = 24,
    lowest_pitch: Lowest = 48,
    highest_pitch: Highest = 79,
    hop_s: Annotated[
        float | None,
        typer.Option(help="shortest time between window starts in seconds; default: the clip length"),
    ] = None,
    skip_bad: console.SkipBad = False,
) -> None:
    """Cut phrases out of MIDI files."""
    spec = _spec(
        ExtractSpec,
        polyphony=polyphony,
        notes=(fewest, most),
        lowest_pitch=lowest_pitch,
        highest_pitch=highest_pitch,
        hop_s=hop_s,
    )
    remarks: list[str] = []
    with _progress("files") as on_progress:
        phrases, skipped = extract_folder(folder, spec, seconds, on_progress, skip_bad, remarks.append)
    for remark in remarks:
        console.note(remark)
    _write(out, phrase_rows(phrases))
    if skipped:
        typer.echo(f"{len(skipped)} windows skipped, such as {skipped[0]}")


@app.command()
def generate(
    out: Out,
    count: Annotated[int, typer.Option(min=1, help="number of phrases")],
    seed: Annotated[int, typer.Option(help="random seed; phrase i depends only on the seed and i")] = 0,
    seconds: Seconds = 3.0,
    fewest: Annotated[int, typer.Option(help="fewest notes of a phrase")] = 5,
    most: Annotated[int, typer.Option(help="most notes of a phrase")] = 10,
    grid_s: Annotated[float, typer.Option(help="onset grid in seconds")] = 0.25,
    lowest_pitch: Lowest = 48,
    highest_pitch: Highest = 79,
    longest_settle_ms: Annotated[
        float, typer.Option(min=0.0, help="longest attack + hold + decay in ms that one note must contain")
    ] = 600.0,
    longest_release_ms: Annotated[
        float, typer.Option(min=0.0, help="longest release in ms that a rest and the end must contain")
    ] = 300.0,
) -> None:
    """Generate phrases from a seed."""
    spec = _spec(
        GenerateSpec,
        notes=(fewest, most),
        grid_s=grid_s,
        lowest_pitch=lowest_pitch,
        highest_pitch=highest_pitch,
    )
    observe = Observability(longest_settle_ms, longest_release_ms)
    with _progress("phrases") as on_progress:
        phrases = generate_phrases(seed, count, spec, seconds, observe, on_progress)
    _write(out, phrase_rows(label_generated(phrases)))


def main() -> None:
    """Runs the command. Invalid input prints one line on stderr and exits with status 2."""
    console.main(app)
