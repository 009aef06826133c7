"""Generations: a finished dataset is planned on, and a dataset is planned anew with all its generations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from manifests.dataset.layout import Layout, write_table
from manifests.dataset.rows import notes_of
from manifests.types import InputError, check_notes
from manifests.version import DISTRIBUTION, package_version
from render import config as configs
from render.config import Config
from render.planning.fingerprint import ingredients, platform_class
from render.planning.growth import check_growth, more_envelopes, more_phrases
from render.planning.plan import (
    Planned,
    check_playable,
    described,
    longest_heard_s,
    make_plan,
    midi_phrases,
    midi_sources,
    settle_synths,
    write_tables,
)
from render.tones import tone_spec


def grow_plan(before: Planned, config: Config) -> Planned:
    """The plan with a generation more: what the config asks for besides what is there."""
    present = configs.parse(before.metadata["config"], "dataset.json")
    config, synths, remarks = settle_synths(config)
    config = config.model_copy(update={"name": present.name})
    config = _with_the_tones_of(present, config, before.phrases)
    check_growth(present, config)
    generation = len(before.metadata["generations"])
    envelopes = more_envelopes(config, before.envelopes, generation)
    if config.shaping == "plugin":
        check_playable(synths, envelopes)
    phrases = more_phrases(
        config,
        before.phrases,
        generation,
        fits=lambda notes: longest_heard_s(config, notes) <= tone_spec(config).seconds,
        from_midi=lambda: midi_phrases(config)[0],
    )
    for row in phrases:
        check_notes(notes_of(row), config.clip.seconds)
    of = ingredients(config, synths, midi_sources(phrases))
    earlier = before.metadata["fingerprint_of"]
    of["grown_from"] = [*earlier.get("grown_from", []), earlier["config"]]
    metadata = described(before.metadata, config, of, envelopes, phrases)
    return Planned(metadata, envelopes, phrases, remarks)


def _with_the_tones_of(present: Config, config: Config, phrases: list[dict[str, Any]]) -> Config:
    """The config with tones as long as they are; InputError where an old phrase would be heard for longer."""
    if config.tones.seconds is None:
        tones = config.tones.model_copy(update={"seconds": present.tones.seconds})
        config = config.model_copy(update={"tones": tones})
    longest = max(longest_heard_s(config, notes_of(row)) for row in phrases)
    if longest > tone_spec(config).seconds:
        raise InputError(
            f"envelopes: with their longest release a note is heard for {longest:.3f} s, and this dataset's"
            f" tones last {tone_spec(config).seconds:g} s; ask for shorter releases, or plan a new dataset"
        )
    return config


def plan_of(file: Path) -> Planned:
    """The plan in a file: a config, or the dataset.json of a dataset to be made again.

    Such a dataset's envelopes and phrases are read from beside it, so that no MIDI file is needed; what
    follows from them, generation by generation, is made anew by `run`.
    """
    if file.name != "dataset.json":
        return make_plan(configs.load(file))
    there = present_plan(Layout(file.parent))
    here = {"platform": platform_class(), "versions": {DISTRIBUTION: package_version()}}
    return replace(there, metadata={**there.metadata, **here})


def present_plan(layout: Layout) -> Planned:
    """The plan that a folder holds."""
    envelopes, phrases = (layout.read(name).to_pylist() for name in ("envelopes", "phrases"))
    return Planned(layout.metadata(), envelopes, phrases, [])


def extend(root: Path, config: Config) -> Planned | None:
    """Plans a generation more in a finished dataset's folder; None if the config asks for nothing new.

    shards.parquet goes first: the dataset is not whole until the new shards are. dataset.json comes last and
    commits the generation.
    """
    layout = Layout(root)
    there = present_plan(layout)
    if not layout.table("shards").exists():
        raise InputError(f"{root}: is not finished; `python -m render run {root}` first, then extend it")
    grown = grow_plan(there, config)
    before, after = (plan.metadata["generations"][-1] for plan in (there, grown))
    if all(after[axis] == before[axis] for axis in ("timbres", "envelopes", "phrases")):
        return None
    layout.table("shards").unlink()
    write_tables(layout, grown)
    return grown


def drop_uncommitted(layout: Layout) -> None:
    """Takes out the rows of a generation that no dataset.json tells of: planning it was interrupted."""
    known = len(layout.metadata()["generations"])
    for name in ("envelopes", "phrases"):
        table = layout.read(name)
        kept = table.filter(pc.less(table["generation"], known))
        if kept.num_rows < table.num_rows:
            write_table(layout.table(name), kept)
