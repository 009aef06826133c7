"""`python -m train page`: the listening page of a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from train.evaluate_cli import one_torch_thread, tracking
from train.page import make_page


def page(
    checkpoint: Annotated[Path, typer.Option(help="Checkpoint that converts.")],
    data: Annotated[Path, typer.Option(help="Dataset folder to draw held-out pairs from.")],
    out: Annotated[Path, typer.Option(help="The HTML file to write.")],
    pairs_per_kind: Annotated[int, typer.Option(help="Conversions of each kind in each split.")] = 2,
    split: Annotated[
        list[str] | None,
        typer.Option(help="Split to show; repeat for several. Default: validation and test_unseen_all."),
    ] = None,
    scores: Annotated[Path | None, typer.Option(help="Folder that `train evaluate` wrote.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the pairs.")] = 0,
) -> None:
    """Write one HTML file with conversions to hear, see and compare; it opens from disk."""
    from train.conversion import load_codec

    console = Console()
    codec = load_codec(checkpoint)
    with one_torch_thread(), tracking("converting", "clips", console) as track:
        make_page(
            codec, checkpoint, data, split or [], pairs_per_kind, seed, scores, out, console.print, track
        )
    console.print(f"{out}: {out.stat().st_size / 1e6:.1f} MB, open it in a browser", soft_wrap=True)
