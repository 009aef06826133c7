"""Scans a synth (`python -m presets scan`) and prints a scan (`show --scan`)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import typer

from manifests.cli import console
from manifests.types import InputError
from presets.host.surroundings import check_surroundings
from presets.scan.describe import ScanSpec
from presets.scan.run_scan import ScanRun, presets_to_scan
from presets.scan.scan_table import read_scan, scan_metadata
from presets.synths.synth import open_synth


def scan(
    synth: Annotated[
        str, typer.Argument(help="a synth that `list` names, a profile (.yaml) or a plugin file")
    ],
    out: Annotated[Path, typer.Option(help="table to write (.parquet)")],
    workers: Annotated[int, typer.Option(min=1, help="number of worker processes")] = 1,
    limit: Annotated[
        int | None, typer.Option(min=1, help="scan only this many presets, evenly spread")
    ] = None,
    banks: Annotated[str, typer.Option(help="scan only these banks, separated by commas")] = "",
    skip_bad: console.SkipBad = False,
) -> None:
    """Renders and measures every preset in isolation. An interrupted scan resumes when called again."""
    if out.suffix != ".parquet":
        raise InputError(f"--out {out}: expected a file name that ends in .parquet")
    opened = open_synth(synth)
    chosen = [name for name in banks.split(",") if name]
    presets = presets_to_scan(opened, chosen, limit, skip_bad, console.note)
    run = ScanRun(opened, presets, ScanSpec(), out)
    if run.finished():
        print(f"{out} holds this scan already")
    else:
        check_surroundings(opened, presets)
        run.begin()
        left = sum(len(addresses) for _, addresses in run.missing())
        with console.progress(console.terminal(stderr=True)) as progress:
            task = progress.add_task("presets", total=len(presets), completed=len(presets) - left, rate="")
            for count in run.run(workers):
                console.advance(progress, task, count, "presets")
        run.finish()
    summary(out)


def summary(path: Path) -> None:
    """Prints a scan's counts and the criteria behind them. Raises InputError if the file is not a scan."""
    table, metadata = read_scan(path), scan_metadata(path)
    statuses = Counter(table["status"].to_pylist())
    failed = ", ".join(f"{name} {count}" for name, count in sorted(statuses.items()) if name != "ok")
    steady = np.array([x if x is not None else np.inf for x in table["level_variation_db"].to_pylist()])
    print(f"presets    {table.num_rows}")
    print(f"failed     {table.num_rows - statuses['ok']}{f' ({failed})' if failed else ''}")
    steady_db, threshold = metadata["steady_db"], metadata["threshold"]
    print(f"steady     {int(np.sum(steady <= steady_db))} (level within {steady_db:g} dB)")
    print(f"usable     {count(table, 'usable')} (steady, and most notes in tune)")
    print(f"distinct   {count(table, 'distinct')} (distance to the others over {threshold:.4f}, the")
    print(
        f"           {metadata['percentile']:g}th percentile of usable presets' distances between velocities)"
    )
    print(f"same audio {table.num_rows - table['same_audio'].null_count} as an earlier preset")


def count(table: pa.Table, column: str) -> int:
    """Counts the rows that have True in a boolean column."""
    return int(sum(table[column].to_pylist()))


def listing(path: Path) -> None:
    """Prints one line per preset: address, name, and its measurements or why it failed."""
    for row in read_scan(path).to_pylist():
        description = f"{row['status']}: {row['detail']}"
        if row["status"] == "ok":
            mark = "distinct" if row["distinct"] else f"near {row['near']}" if row["usable"] else "-"
            description = (
                f"{row['character']}\t{row['octave']:+d}\t{row['level_variation_db']:.2f} dB"
                f"\t{row['brightness_hz']:.0f} Hz\t{row['loudness_dbfs']:.1f} dBFS\t{mark}"
            )
        print(f"{row['preset']}\t{row['name']}\t{description}")
