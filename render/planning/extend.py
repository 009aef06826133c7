"""Plans a further generation of a finished dataset, or plans a dataset again with all its generations."""

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
    Plan,
    check_playable,
    longest_sounding_s,
    make_plan,
    midi_phrases,
    midi_sources,
    resolve_synths,
    with_generation,
    write_tables,
)
from render.tones import tone_spec


def grow_plan(before: Plan, config: Config) -> Plan:
    """Adds a generation to a plan: what the config asks for beyond the present ids.

    Raises InputError if the config changes anything else, or if a phrase does not fit the tones' length.
    """
    present = configs.parse(before.metadata["config"], "dataset.json")
    config, synths, remarks = resolve_synths(config)
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
        fits=lambda notes: longest_sounding_s(config, notes) <= tone_spec(config).seconds,
        from_midi=lambda: midi_phrases(config, remarks.append)[0],
    )
    for row in phrases:
        check_notes(notes_of(row), config.clip.seconds)
    of = ingredients(config, synths, midi_sources(phrases))
    earlier = before.metadata["fingerprint_of"]
    of["grown_from"] = [*earlier.get("grown_from", []), earlier["config"]]
    metadata = with_generation(before.metadata, config, of, envelopes, phrases)
    return Plan(metadata, envelopes, phrases, remarks)


def _with_the_tones_of(present: Config, config: Config, phrases: list[dict[str, Any]]) -> Config:
    """Keeps the dataset's tone length; raises InputError if a note of an old phrase would sound longer."""
    if config.tones.seconds is None:
        tones = config.tones.model_copy(update={"seconds": present.tones.seconds})
        config = config.model_copy(update={"tones": tones})
    longest = max(longest_sounding_s(config, notes_of(row)) for row in phrases)
    if longest > tone_spec(config).seconds:
        raise InputError(
            f"envelopes: with their longest release a note sounds for {longest:.3f} s, and this dataset's"
            f" tones last {tone_spec(config).seconds:g} s; ask for shorter releases, or plan a new dataset"
        )
    return config


def plan_of(file: Path, skip_bad: bool = False) -> Plan:
    """Makes the plan of a config file, or of the dataset.json of a dataset to be rendered again.

    With `skip_bad`, a config's presets and MIDI files that cannot be read are left out.

    A dataset.json needs its envelopes.parquet and phrases.parquet beside it, but no MIDI file. `run` then
    makes the rest again, generation by generation. Raises InputError if a file is missing or invalid.
    """
    if file.name != "dataset.json":
        config = configs.load(file)
        return make_plan(configs.skipping_bad(config) if skip_bad else config)
    there = load_plan(Layout(file.parent))
    here = {"platform": platform_class(), "versions": {DISTRIBUTION: package_version()}}
    return replace(there, metadata={**there.metadata, **here})


def load_plan(layout: Layout) -> Plan:
    """Reads the plan in a dataset folder."""
    envelopes, phrases = (layout.read(name).to_pylist() for name in ("envelopes", "phrases"))
    return Plan(layout.metadata(), envelopes, phrases, [])


def extend(root: Path, config: Config) -> Plan | None:
    """Plans a further generation in a finished dataset's folder; returns None if nothing new is asked for.

    shards.parquet is deleted first, since the dataset is unfinished until the new shards are committed.
    dataset.json is written last and commits the generation. Raises InputError if the dataset is unfinished
    or the config does not extend it.
    """
    layout = Layout(root)
    there = load_plan(layout)
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
    """Removes the rows of a generation that dataset.json does not list: its planning was interrupted."""
    known = len(layout.metadata()["generations"])
    for name in ("envelopes", "phrases"):
        table = layout.read(name)
        kept = table.filter(pc.less(table["generation"], known))
        if kept.num_rows < table.num_rows:
            write_table(layout.table(name), kept)
