"""`python -m train page`: the listening page of checkpoints or of files, and the blind test."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from manifests.cli.console import SkipBad, terminal
from manifests.dataset.storage import location
from manifests.types import InputError
from train.cli.evaluate import named_checkpoints, one_torch_thread, or_released, tracking
from train.evaluation.files import parse_roles, read_rows, scan_folder
from train.evaluation.given_pairs import usable_rows
from train.evaluation.page.page import make_files_page, make_page


def page(
    out: Annotated[Path, typer.Option(help="The HTML file to write.")],
    checkpoint: Annotated[
        list[str] | None,
        typer.Option(
            help="Checkpoint that converts, or NAME=PATH; repeat for several. Default: the released weights."
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Dataset folder (or its s3:// URL) to draw held-out pairs from.")
    ] = None,
    pairs_per_kind: Annotated[int, typer.Option(min=1, help="Conversions of each kind in each split.")] = 2,
    split: Annotated[
        list[str] | None,
        typer.Option(
            help="Split to show; repeat for several. Default: validation, unseen_all and unseen_synth."
        ),
    ] = None,
    scores: Annotated[Path | None, typer.Option(help="Folder that `train evaluate` wrote.")] = None,
    files: Annotated[Path | None, typer.Option(help="Instead: a CSV, as for `train evaluate`.")] = None,
    folder: Annotated[Path | None, typer.Option(help="Instead: a folder, as for `train evaluate`.")] = None,
    pattern: Annotated[str, typer.Option(help="How the folder's files are named.")] = "{pair}_{system}",
    roles: Annotated[str, typer.Option(help="Names of the roles in the folder.")] = "",
    blind: Annotated[
        bool, typer.Option(help="Write a blind listening test instead, with its key beside it.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the pairs, and of the order in a blind test.")] = 0,
    skip_bad: SkipBad = False,
) -> None:
    """Write an HTML page to hear, see and compare conversions, or a blind listening test."""
    console = terminal()
    if files is not None or folder is not None:
        if checkpoint or data or (files and folder):
            raise InputError("page: expected --files or --folder alone, or --checkpoint with --data")
        if folder is not None:
            rows, messages = scan_folder(folder, pattern, parse_roles(roles))
            for message in messages:
                console.print(message)
        else:
            assert files is not None
            rows, folder = read_rows(files), files.parent
        rows = usable_rows(folder, rows, skip_bad, console.print)
        with tracking("drawing", "pairs", console) as track:
            make_files_page(folder, rows, seed, scores, out, track, blind)
    else:
        if data is None:
            raise InputError("page: expected --data, --files or --folder")
        from train.codec.api import load_codec

        named = named_checkpoints(or_released(checkpoint))
        codecs = {name: load_codec(path) for name, path in named.items()}
        with one_torch_thread(), tracking("converting", "clips", console) as track:
            make_page(
                codecs,
                named,
                location(data),
                split or [],
                pairs_per_kind,
                seed,
                scores,
                out,
                console.print,
                track,
                blind,
            )
    beside = out.with_name(f"{out.stem}_files")
    kept = f", its sounds in {beside}" if beside.is_dir() else ""
    console.print(f"{out}: {out.stat().st_size / 1e6:.1f} MB{kept}; open it in a browser")
    if blind:
        key = out.with_suffix(".key.csv")
        console.print(f"{key}: what each sound is; keep it from the listeners")
