"""Defines `python -m manifests`: show, audit, query, fetch, diff, schema, card."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from manifests.cli import console
from manifests.dataset import files
from manifests.dataset.bank import Bank, open_folder
from manifests.dataset.layout import FOLDER_TABLES, OPTIONAL_TABLES, Layout
from manifests.dataset.storage import location
from manifests.types import InputError

if TYPE_CHECKING:
    from manifests.audit.run import AuditResult

app = console.app("Reads and audits a dataset's manifests. Needs neither a synth nor a GPU.")

Folder = Annotated[str, typer.Argument(metavar="DIR", help="dataset folder, or its URL", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]

out, err = console.terminal(), console.terminal(stderr=True)


def _open(folder: str) -> Layout | Bank:
    return open_folder(location(folder))


@app.command()
def show(folder: Folder) -> None:
    """Print a dataset's name, fingerprint, splits and tables."""
    layout = _open(folder)
    metadata = layout.metadata()
    schema_and_seed = f"  schema {metadata['schema']}, seed {metadata['seed']}"
    out.print(Text.assemble((str(metadata["name"]), "bold"), schema_and_seed))
    out.print(f"fingerprint {metadata['fingerprint']}")
    if isinstance(layout, Bank):
        for row in layout.shards():
            out.print(
                f"{row['shard']}  {row['side']}, {len(row['timbres'])} timbres, {row['tones']} tones,"
                f" {row['bytes'] / 1e6:.1f} MB",
            )
        return
    splits = Table(title="splits")
    for title in ("split", "shards", "clips", "hours", "MB"):
        splits.add_column(title, justify="left" if title == "split" else "right")
    if layout.table("shards").exists():
        rows = layout.read("shards").to_pandas().groupby("split", sort=False)
        seconds = metadata["config"]["clip"]["seconds"]
        for split, of in rows:
            clips = int(of["clips"].sum())
            splits.add_row(
                str(split),
                str(len(of)),
                str(clips),
                f"{clips * seconds / 3600:.2f}",
                f"{of['bytes'].sum() / 1e6:.1f}",
            )
        out.print(splits, soft_wrap=False)
    else:
        out.print("not finished yet: `python -m render status` prints its progress")
    tables = Table(title="tables")
    tables.add_column("table")
    tables.add_column("rows", justify="right")
    tables.add_column("columns")
    for name in (*FOLDER_TABLES, *OPTIONAL_TABLES):
        if layout.table(name).exists():
            table = layout.read(name)
            tables.add_row(name, str(table.num_rows), ", ".join(table.column_names))
    out.print(tables, soft_wrap=False)


def _figures(figures: dict[str, dict[str, float]]) -> Table:
    """Formats the audit's figures by split as a table."""
    table = Table()
    for title in ("split", "clips", "hours", "ids t/e/p", "RMS dBFS (5%, median, 95%)", "brightness Hz"):
        table.add_column(title, justify="left" if title == "split" else "right")
    for split, of in figures.items():
        ids = f"{of['timbres']:g}/{of['envelopes']:g}/{of['phrases']:g}"
        level = f"{of['rms_dbfs_5']:.1f}, {of['rms_dbfs_median']:.1f}, {of['rms_dbfs_95']:.1f}"
        row = (f"{of['clips']:.0f}", f"{of['hours']:.2f}", ids, level, f"{of['brightness_hz']:.0f}")
        table.add_row(split, *row)
    return table


@app.command()
def audit(
    folder: Folder,
    hashes: Annotated[bool, typer.Option("--hash", help="also read the tars: SHA-256 and members")] = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="also decode every clip, and measure envelopes and pitches of some")
    ] = False,
    rerender: Annotated[
        int,
        typer.Option("--rerender", min=0, metavar="N", help="also render N random clips again, and compare"),
    ] = 0,
    no_audio: Annotated[
        bool, typer.Option("--no-audio", help="the folder holds no shards, only manifests")
    ] = False,
    html: Annotated[
        str, typer.Option("--html", metavar="FILE", help="also write the audit as one HTML page")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Check a dataset: complete, as its tables say, free of leaks, reproducible. Exit code 1 on a finding."""
    # The checks need soundfile, which other commands do not.
    from manifests.audit.run import AuditOptions
    from manifests.audit.run import audit as run_audit

    with err.status("auditing") as status:
        options = AuditOptions(hashes, deep, rerender, not no_audio)
        layout = _open(folder)
        if isinstance(layout, Bank) and (html or rerender):
            raise InputError(
                "--html, --rerender: for datasets; a bank's tones are compared with the timbres' own"
            )
        write_page = _page_writer(html, layout) if html and isinstance(layout, Layout) else None
        result = run_audit(layout, options, lambda what: status.update(f"auditing: {what}"))
        report = result.report
        if write_page is not None:
            status.update("drawing the page")
            write_page(result)
    if as_json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        for check, looked_at in report.looked_at.items():
            out.print(f"  {check:<16} {looked_at}")
        if report.figures:
            out.print(_figures(report.figures), soft_wrap=False)
        for finding in report.findings:
            out.print(str(finding), style="red")
    if not report.passed:
        console.fail(f"{folder}: {len(report.findings)} finding(s)")
    if not as_json:
        out.print(f"{folder}: no defect found", style="green")


def _page_writer(html: str, layout: Layout) -> Callable[[AuditResult], None]:
    """Make a function that writes the page of an audit; InputError if the file `html` cannot be written."""
    try:
        from manifests.audit.page.page import page_path, render_page
    except ModuleNotFoundError:
        raise InputError("--html needs Jinja2: pip install 'triptych-audio[audit]'") from None
    path = page_path(html, layout)
    return lambda result: files.replace(path, render_page(layout, result))


@app.command()
def card(folder: Folder) -> None:
    """Print the dataset card that follows from the tables; the audit compares README.md with it."""
    from manifests.dataset.card import card_of

    print(card_of(_open(folder)), end="")


@app.command()
def query(
    folder: Folder,
    sql: Annotated[str, typer.Argument(help="views: clips, " + ", ".join(FOLDER_TABLES), show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Run SQL over the manifests."""
    from manifests.dataset.query import query as run_query

    frame = run_query(_open(folder), sql)
    print(frame.to_json(orient="records", indent=2) if as_json else frame.to_string(index=False))


@app.command()
def fetch(
    folder: Folder,
    where: Annotated[
        str, typer.Option("--where", help="SQL condition on the view clips", show_default=False)
    ],
    out_dir: Annotated[Path, typer.Option("--out", help="folder for the FLAC files and clips.parquet")],
) -> None:
    """Fetch single clips from the shards, without reading the rest."""
    from manifests.dataset.fetch import fetch as run_fetch

    rate = TextColumn("{task.completed}/{task.total} {task.fields[rate]}")
    with Progress(TextColumn("clips"), BarColumn(), rate, TimeRemainingColumn(), console=err) as progress:

        def track(count: int) -> Callable[[], None]:
            task = progress.add_task("clips", total=count, rate="")

            def done() -> None:
                speed = progress.tasks[task].speed
                progress.update(task, advance=1, rate=f"{speed:.0f}/s" if speed else "")

            return done

        count = run_fetch(_open(folder), where, out_dir, track)
    out.print(f"{out_dir}: {count} clips and their rows, clips.parquet")


@app.command()
def schema(
    markdown: Annotated[bool, typer.Option("--markdown", help="print docs/manifests.md")] = False,
) -> None:
    """Print every table and column: type, unit, meaning."""
    from manifests.dataset import schema_page
    from manifests.dataset.schema import TABLES

    if markdown:
        print(schema_page.markdown(), end="")
        return
    for name, columns in TABLES.items():
        table = Table(title=name, title_justify="left")
        for title in ("column", "type", "unit", "meaning"):
            table.add_column(title)
        for column in columns:
            table.add_row(column.name, schema_page.type_name(column), column.unit, column.meaning)
        out.print(table, soft_wrap=False)


@app.command()
def diff(
    first: Annotated[str, typer.Argument(metavar="A", help="dataset folder, or its URL", show_default=False)],
    second: Annotated[str, typer.Argument(metavar="B", help="another", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Compare two datasets from config to PCM. Exit code 1 if they differ."""
    from manifests.dataset.diff import diff as run_diff

    layers = run_diff(_open(first), _open(second))
    different = [layer.layer for layer in layers if layer.lines]
    if as_json:
        print(json.dumps({"same": not different, "layers": [asdict(layer) for layer in layers]}, indent=2))
    else:
        for layer in layers:
            out.print(
                f"{layer.layer:<12} {'DIFFERENT' if layer.lines else 'same':<10} {layer.looked_at}",
            )
            for line in layer.lines:
                out.print(f"    {line}")
    if different:
        console.fail(f"A and B differ in {', '.join(different)}")


def main() -> None:
    """Runs the command line; see `console.main` for exit codes."""
    console.main(app)
