"""`python -m presets scan`, and what `show --scan` prints."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import typer
from rich.console import Console

from manifests.cli import console
from manifests.types import InputError
from presets.scan.describe import ScanSpec
from presets.scan.run_scan import ScanRun, presets_to_scan
from presets.scan.scan_table import read_scan, scan_metadata
from presets.synths.synth import open_synth


def scan(
    synth: Annotated[str, typer.Argument(help="synth as `list` names it, a profile (.yaml) or a plugin")],
    out: Annotated[Path, typer.Option(help="table to write (.parquet)")],
    workers: Annotated[int, typer.Option(min=1, help="processes that make and measure notes")] = 1,
    limit: Annotated[int | None, typer.Option(min=1, help="only so many presets, evenly spread")] = None,
    banks: Annotated[str, typer.Option(help="only these banks, separated by commas")] = "",
) -> None:
    """Renders every preset in isolation and describes it. Can be interrupted, killed and called again."""
    if out.suffix != ".parquet":
        raise InputError(f"--out {out}: expected a file name that ends in .parquet")
    opened = open_synth(synth)
    presets = presets_to_scan(opened, [name for name in banks.split(",") if name], limit)
    work = ScanRun(opened, presets, ScanSpec(), out)
    if work.finished():
        print(f"{out} is this scan already")
    else:
        work.begin()
        left = sum(len(addresses) for _, addresses in work.missing())
        with console.progress(Console(stderr=True)) as progress:
            task = progress.add_task("presets", total=len(presets), completed=len(presets) - left, rate="")
            for count in work.run(workers):
                console.advance(progress, task, count, "presets")
        work.finish()
    summary(out)


def summary(path: Path) -> None:
    """Prints what came out of a scan: counts, and by what presets were compared."""
    table, known = read_scan(path), scan_metadata(path)
    statuses = Counter(table["status"].to_pylist())
    failed = ", ".join(f"{name} {count}" for name, count in sorted(statuses.items()) if name != "ok")
    steady = np.array([x if x is not None else np.inf for x in table["level_variation_db"].to_pylist()])
    print(f"presets    {table.num_rows}")
    print(f"failed     {table.num_rows - statuses['ok']}{f' ({failed})' if failed else ''}")
    print(f"steady     {int(np.sum(steady <= known['steady_db']))} (level within {known['steady_db']:g} dB)")
    print(f"usable     {count(table, 'usable')} (steady, and most notes in tune)")
    print(f"distinct   {count(table, 'distinct')} (further apart than {known['threshold']:.4f}, within which")
    print(f"           {known['percentile']:g}% of usable presets stay at another velocity)")
    print(f"same audio {table.num_rows - table['same_audio'].null_count} as an earlier preset")


def count(table: pa.Table, column: str) -> int:
    """How many rows have True in a column."""
    return int(sum(table[column].to_pylist()))


def listing(path: Path) -> None:
    """Prints one line a preset: address, what it is like, or why it failed."""
    for row in read_scan(path).to_pylist():
        said = f"{row['status']}: {row['detail']}"
        if row["status"] == "ok":
            mark = "distinct" if row["distinct"] else f"near {row['near']}" if row["usable"] else "-"
            said = (
                f"{row['character']}\t{row['octave']:+d}\t{row['level_variation_db']:.2f} dB"
                f"\t{row['brightness_hz']:.0f} Hz\t{row['loudness_dbfs']:.1f} dBFS\t{mark}"
            )
        print(f"{row['preset']}\t{row['name']}\t{said}")
