"""`python -m train studio`: a page on this computer on which a codec is played."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from manifests.types import InputError
from train.cli.evaluate import one_torch_thread
from train.codec.api import load_codec
from train.studio.server import serve


def studio_command(
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="Checkpoint, such as RUN/best.safetensors. Default: the released weights."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen at. Default: this computer alone.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0: a free one.")] = 7860,
) -> None:
    """Serve a page on which recordings are converted by ear: notes, envelope and timbre as controls.

    It needs the extra `studio`. Nothing leaves the computer.
    """
    codec = load_codec(checkpoint)
    if not codec.by_number:
        raise InputError(f"{checkpoint}: system {codec.system.name} has no factors to play with")
    with one_torch_thread():
        serve(codec, str(checkpoint) if checkpoint else None, host, port, lambda line: typer.echo(line))
