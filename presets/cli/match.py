"""Finds the presets of a scanned synth that sound like a recording (`python -m presets match`)."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from manifests.cli import console
from manifests.dataset import files
from manifests.types import InputError
from presets.host.client import SnapshotHost
from presets.match.hearing import hear
from presets.match.nearest import RATE, match_presets
from presets.scan.scan_table import read_scan
from presets.synths.synth import open_synth


def match(
    recording: Annotated[Path, typer.Argument(help="recording of one voice")],
    scan: Annotated[Path, typer.Option(help="table of `scan` (.parquet)")],
    out: Annotated[Path, typer.Option(help="page to write (.html)")],
    synth: Annotated[
        str | None, typer.Option(help="the synth of the scan, where its name does not open it")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="codec that hears; default: the released one")
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=50, help="number of presets")] = 5,
) -> None:
    """Finds the presets nearest to a recording, with its envelope set on the synth, and plays them on a page.

    It needs the extra `train`, whose codec hears the recording.
    """
    if out.suffix != ".html":
        raise InputError(f"--out {out}: expected a file name that ends in .html")
    with console.requires("train"):
        from presets.match.page import match_page
    rows = read_scan(scan).to_pylist()
    if not rows:
        raise InputError(f"{scan}: has no presets")
    opened = open_synth(synth or rows[0]["synth"])
    if opened.name != rows[0]["synth"]:
        raise InputError(f"--synth {synth}: the scan is of {rows[0]['synth']}")
    heard = hear(recording, checkpoint)
    for line in heard.doubts:
        console.note(line)
    with tempfile.TemporaryDirectory() as scratch, SnapshotHost(opened, RATE, scratch=Path(scratch)) as host:
        matches, envelope = match_presets(host, opened, rows, heard, count)
    if not matches:
        raise InputError(f"{scan}: none of the nearest presets can play this recording's notes")
    files.replace(out, match_page(recording, heard, opened.name, matches, envelope).encode())
    for found in matches:
        print(f"{found.distance:.3f}\t{found.preset.address}\t{found.preset.name}")
    print(f"{out}: {len(matches)} presets of {opened.name}")
