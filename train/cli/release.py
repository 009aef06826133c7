"""`python -m train release`: a checkpoint made ready to be given away."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from manifests.dataset import files
from manifests.types import InputError
from train.checkpoint import read_metadata
from train.codec.api import load_codec
from train.codec.release import LIMIT, write_parts, write_samples
from train.codec.release_card import TO_SAY, release_card
from train.data.tables import Tables
from train.evaluation.run import held_out_splits


def release(
    checkpoint: Annotated[Path, typer.Option(help="Weights to release, such as RUN/best.safetensors.")],
    data: Annotated[Path, typer.Option(help="Dataset or tone bank that it was trained from.")],
    out: Annotated[Path, typer.Option(help="Folder of the release.")],
    name: Annotated[str, typer.Option(help="What it is called.")] = "Triptych codec",
    scores: Annotated[Path | None, typer.Option(help="Folder that `evaluate` wrote, for the card.")] = None,
    clips: Annotated[int, typer.Option(min=0, help="Conversions to write as audio.")] = 12,
    seed: Annotated[int, typer.Option(help="Seed of the pairs that are converted.")] = 0,
) -> None:
    """Write fp16 weights in files below 16 MiB, a release card, and conversions to listen to."""
    metadata = read_metadata(checkpoint)
    tables = Tables.open(data)
    if (about := tables.layout.metadata())["fingerprint"] != metadata["fingerprint"]:
        raise InputError(f"{checkpoint}: was not trained from {data}: its fingerprint is another")
    report = ""
    if scores is not None:
        try:
            report = (scores / "report.md").read_text(encoding="utf-8")
        except OSError as error:
            raise InputError(f"{scores}/report.md: cannot be read ({error.strerror})") from None
    paths = write_parts(checkpoint, out, LIMIT)
    timbres = tables.layout.read("timbres").select(["synth", "side"]).to_pylist()
    card = release_card(
        name, metadata, about, timbres, {path.name: path.stat().st_size for path in paths}, report
    )
    files.replace(out / "README.md", card.encode())
    # The clips are made by what is given away: the weights in half precision.
    codec, layout = load_codec(paths[0]), tables.layout
    write_samples(codec, layout, held_out_splits(layout), out / "clips", clips, seed)
    typer.echo(
        f"{out}: {len(paths)} file(s) of weights, {clips} conversions, a card with {card.count(TO_SAY)} gaps"
    )
