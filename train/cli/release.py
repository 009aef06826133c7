"""`python -m train release`: prepares a checkpoint for publication."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from manifests.dataset import files
from manifests.types import InputError
from train.checkpoint import read_metadata
from train.codec.api import load_codec
from train.codec.release import write_parts, write_samples
from train.codec.release_card import TO_DO, release_card
from train.data.tables import Tables
from train.evaluation.run import held_out_splits


def release(
    checkpoint: Annotated[Path, typer.Option(help="Checkpoint to release, such as RUN/best.safetensors.")],
    data: Annotated[Path, typer.Option(help="Dataset or tone bank that it was trained on.")],
    out: Annotated[Path, typer.Option(help="Folder of the release.")],
    name: Annotated[str, typer.Option(help="Name of the release.")] = "Triptych codec",
    scores: Annotated[Path | None, typer.Option(help="Folder of `evaluate`, for the card.")] = None,
    clips: Annotated[int, typer.Option(min=0, help="Number of conversions to write as audio.")] = 12,
    seed: Annotated[int, typer.Option(help="Seed of the choice of conversions.")] = 0,
) -> None:
    """Write a checkpoint's weights as fp16 files below 16 MiB, a release card, and example conversions."""
    metadata = read_metadata(checkpoint)
    tables = Tables.open(data)
    if (about := tables.layout.metadata())["fingerprint"] != metadata["fingerprint"]:
        raise InputError(f"{checkpoint}: was not trained on {data}, whose fingerprint is different")
    report = ""
    if scores is not None:
        try:
            report = (scores / "report.md").read_text(encoding="utf-8")
        except OSError as error:
            raise InputError(f"{scores}/report.md: cannot be read ({error.strerror})") from None
    paths = write_parts(checkpoint, out)
    timbres = tables.layout.read("timbres").select(["synth", "side"]).to_pylist()
    card = release_card(
        name, metadata, about, timbres, {path.name: path.stat().st_size for path in paths}, report
    )
    files.replace(out / "README.md", card.encode())
    # Convert with the released weights, which are in half precision.
    codec, layout = load_codec(paths[0]), tables.layout
    write_samples(codec, layout, held_out_splits(layout), out / "clips", clips, seed)
    typer.echo(
        f"{out}: {len(paths)} file(s) of weights, {clips} conversions, a card with {card.count(TO_DO)} gaps"
    )
