"""`python -m train release`: scores a checkpoint and writes its release."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Annotated, Any

import typer

from manifests.cli.console import terminal
from manifests.dataset import files
from manifests.dataset.bank import Bank
from manifests.dataset.canonical import sha256_file
from manifests.types import InputError
from train.checkpoint import read_metadata, read_state, read_weights
from train.cli.evaluate import load_codecs, one_torch_thread, tracking
from train.codec.api import load_codec
from train.codec.release import write_parts, write_samples
from train.codec.release_card import card_markdown
from train.codec.release_facts import RELEASED, TO_DO, card_json, data_facts, known_failures, score_facts
from train.data.tables import Tables
from train.evaluation.run import evaluate_checkpoints, held_out_splits

UNSEEN_SYNTH = "test_unseen_synth"
"""The split of further datasets that is scored, where they have it."""


def release(
    checkpoint: Annotated[Path, typer.Option(help="Checkpoint to release, such as RUN/best.safetensors.")],
    data: Annotated[Path, typer.Option(help="Dataset or tone bank that it was trained on.")],
    out: Annotated[Path, typer.Option(help="Folder of the release.")],
    name: Annotated[str, typer.Option(help="Name of the release.")] = "Triptych codec",
    note: Annotated[str, typer.Option(help="What the release is, in a sentence or two.")] = TO_DO,
    config: Annotated[
        str | None,
        typer.Option(help="Config in the repository that makes --data, such as configs/demo.yaml."),
    ] = None,
    other: Annotated[
        list[str] | None,
        typer.Option(help="Checkpoint of another seed, scored but not released; NAME=PATH; repeatable."),
    ] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(help="CONFIG=DATASET: score on its unseen synth, too, or on all it has; repeatable."),
    ] = None,
    recipe: Annotated[str, typer.Option(help="The command that makes the checkpoint again.")] = TO_DO,
    machine: Annotated[
        str | None, typer.Option(help="Machine that trained it. Default: this machine.")
    ] = None,
    pairs: Annotated[int, typer.Option(min=1, help="Pairs of each kind in each split to score.")] = 16,
    clips: Annotated[int, typer.Option(min=0, help="Number of conversions to write as audio.")] = 6,
    seed: Annotated[int, typer.Option(help="Seed of the pairs and of the choice of conversions.")] = 0,
    workers: Annotated[int | None, typer.Option(min=1, help="Scores computed at a time.")] = None,
) -> None:
    """Write a checkpoint's weights as fp16 files below 16 MiB, its scored card, and example conversions.

    The weights are scored as they are released, in half precision. A command that was stopped resumes its
    scores when it is given again.
    """
    metadata = read_metadata(checkpoint)
    tables = Tables.open(data)
    if (about := tables.layout.metadata())["fingerprint"] != metadata["fingerprint"]:
        raise InputError(f"{checkpoint}: was not trained on {data}, whose fingerprint is different")
    scored = [(config, data), *map(parse_also, also or [])]
    paths = write_parts(checkpoint, out)
    checkpoints = {RELEASED: paths[0], **dict(map(parse_other, other or []))}
    codecs, console, scores = load_codecs(checkpoints), terminal(), []
    for number, (its_config, folder) in enumerate(scored):
        layout, its_scores = Tables.open(folder).layout, out / "scores" / str(number)
        splits = [UNSEEN_SYNTH] if number and UNSEEN_SYNTH in held_out_splits(layout) else []
        with one_torch_thread(), tracking(f"scoring {folder}", "pairs", console) as track:
            summary = evaluate_checkpoints(
                codecs, checkpoints, folder, splits, pairs, seed, its_scores, console.print, track, workers
            )
        every = layout.every() if isinstance(layout, Bank) else None
        scores.append(score_facts(summary, its_config, every))
    codec = load_codec(paths[0])
    timbres = tables.layout.read("timbres").select(["synth", "side"]).to_pylist()
    card: dict[str, Any] = {
        "name": name,
        "note": note,
        "system": metadata["system"],
        "parameters": sum(weight.numel() for weight in read_weights(paths[0])[0].values()),
        "step": int(metadata["step"]),
        "rate": int(metadata["rate"]),
        "hours": training_hours(checkpoint),
        "machine": machine or this_machine(),
        "recipe": recipe,
        "weights": {p.name: {"bytes": p.stat().st_size, "sha256": sha256_file(p)} for p in paths},
        "data": data_facts(about, timbres, config),
        "failures": known_failures(scores),
        "examples": write_samples(
            codec, tables.layout, held_out_splits(tables.layout), out / "clips", clips, seed
        ),
        "training": json.loads(metadata["config"]),
        "scores": scores,
    }
    files.replace(out / "card.json", card_json(card))
    text = card_markdown(card)
    files.replace(out / "README.md", text.encode())
    gaps = text.count(TO_DO)
    typer.echo(f"{out}: {len(paths)} file(s) of weights, {clips} conversions, a card with {gaps} gaps")


def parse_also(text: str) -> tuple[str, Path]:
    """Parses `--also`: CONFIG=DATASET. Raises InputError if it is not of this form."""
    config, equals, folder = text.partition("=")
    if not (config and equals and folder):
        raise InputError(f"--also {text!r}: expected CONFIG=DATASET")
    return config, Path(folder)


def parse_other(text: str) -> tuple[str, Path]:
    """Parses `--other`: NAME=PATH. Raises InputError if it is not of this form."""
    name, equals, path = text.partition("=")
    if not (name and equals and path) or name == RELEASED:
        raise InputError(f"--other {text!r}: expected NAME=PATH, and another name than {RELEASED}")
    return name, Path(path)


def training_hours(checkpoint: Path) -> float | None:
    """Returns the training time of the run that a checkpoint lies in, in hours; None if it has no state."""
    state = checkpoint.with_name("last.state.pt")
    return round(float(read_state(state)["seconds"]) / 3600.0, 3) if state.is_file() else None


def this_machine() -> str:
    """Describes this machine: architecture, cores, and the processor's name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return ", ".join([f"{os.cpu_count()} cores", platform.machine(), *names[:1]])
