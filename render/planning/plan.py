"""Plans a dataset: everything that needs no synth to be played.

`plan` writes envelopes, phrases and `dataset.json`, which is written last and commits the plan. The first
stage of `run` casts the timbres and then cuts the blocks, since failed presets are replaced before that.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manifests.dataset import files
from manifests.dataset.canonical import differences, json_bytes
from manifests.dataset.layout import Layout, to_table, write_table
from manifests.dataset.rows import envelope_of
from manifests.dataset.schema import SCHEMA_VERSION
from manifests.dataset.storage import is_local
from manifests.listing import Say, visible
from manifests.splits.clusters import envelope_clusters
from manifests.splits.splits import assign_sides
from manifests.types import InputError, Notes, check_notes
from manifests.version import DISTRIBUTION, package_version
from midi.extract import SourcedPhrase, extract_folder
from midi.generate import Observability, generate_phrases
from midi.table import label_generated, phrase_rows
from presets.host.surroundings import check_surroundings
from presets.host.usable import usable_presets
from presets.synths.synth import Synth, is_installed
from render.config import Config
from render.planning.envelopes import draw_envelopes
from render.planning.fingerprint import fingerprint, ingredients, platform_class
from render.tones import configured_synth

TONE_GRID_S = 0.25
"""Tone lengths are multiples of this, so that datasets with similar phrases share tone sets."""
ONE_MORE_S = 0.001
"""A release ends at most one sample late."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan: the folder's metadata, the rows of its tables, and remarks for the user."""

    metadata: dict[str, Any]
    envelopes: list[dict[str, Any]]
    phrases: list[dict[str, Any]]
    remarks: list[str]


def resolve_synths(config: Config) -> tuple[Config, list[Synth], list[str]]:
    """Opens the config's synths; returns the config without absent optional synths, the synths, and remarks.

    If the synth that training leaves out is an absent optional one, the config leaves none out.

    Raises InputError if a required synth is not installed, a synth is configured twice, or none is left, and
    InputErrors with all preset files that cannot be read, unless the config says to skip them.
    """
    kept, synths, remarks, absent = [], [], [], []
    for timbres in config.timbres:
        if timbres.optional and timbres.plugin is None and not is_installed(timbres.synth):
            remarks.append(f"{timbres.synth} is not installed: its {timbres.count} timbres are left out")
            absent.append(timbres.synth)
            continue
        synth = configured_synth(timbres)
        # What cannot be read is refused now, whole, rather than on the first worker.
        check_surroundings(synth, usable_presets(synth, timbres.skip_bad, remarks.append))
        settled: dict[str, Any] = {"optional": False, "synth": synth.name}
        if synth.source != synth.name:
            settled["profile"] = Path(synth.source)
        kept.append(timbres.model_copy(update=settled))
        synths.append(synth)
    if not kept:
        raise InputError("timbres: none of the configured synths is installed")
    names = [synth.name for synth in synths]
    if len(set(names)) != len(names):
        raise InputError(f"timbres: each synth once, got {names}")
    splits, left_out = config.splits, config.splits.unseen_synth
    if left_out in absent:
        splits = splits.model_copy(update={"unseen_synth": None})
    elif left_out is not None and left_out not in names:
        raise InputError(f"splits.unseen_synth: {left_out!r} is none of {names}")
    return config.model_copy(update={"timbres": kept, "splits": splits}), synths, remarks


def gather_phrases(config: Config) -> tuple[list[SourcedPhrase], list[str]]:
    """Returns generated phrases, then those from MIDI files, and remarks on skipped files.

    Raises InputError if pitches exceed the tones' range, or if the folder holds too few phrases.
    """
    rows: list[SourcedPhrase] = []
    remarks: list[str] = []
    seconds = config.clip.seconds
    low, high = config.tones.lowest_pitch, config.tones.highest_pitch
    if (wanted := config.phrases.generated) is not None:
        spec = wanted.generate
        lowest, highest = spec.written_range()
        if lowest < low or highest > high:
            raise InputError(
                f"phrases.generated.generate: pitches {lowest}..{highest} go beyond"
                f" the tones' {low}..{high}; widen tones or narrow the phrases"
            )
        observe = Observability(config.longest_settle_ms(), config.longest_release_ms())
        made = generate_phrases(config.seed, wanted.count, spec, seconds, observe)
        rows += label_generated(made)
    if (folder := config.phrases.midi) is not None:
        extracted, skipped = midi_phrases(config, remarks.append)
        if len(extracted) < folder.count:
            raise InputError(
                f"phrases.midi.folder {folder.folder}: {len(extracted)} phrases, {folder.count} configured;"
                " add files, or lower the count"
            )
        if skipped:
            remarks.append(f"{folder.folder}: {len(skipped)} windows or files skipped, such as {skipped[0]}")
        rows += extracted[: folder.count]
    for row in rows:
        check_notes(row.notes, seconds)
    return rows, remarks


def longest_sounding_s(config: Config, notes: Notes) -> float:
    """Returns the longest time in s that a note of a phrase can sound with the longest release."""
    release = config.longest_release_ms() / 1000.0 + ONE_MORE_S
    ends = [note.onset for note in notes[1:]] + [config.clip.seconds]
    return max(min(end - note.onset, note.duration + release) for note, end in zip(notes, ends, strict=True))


def with_tone_seconds(config: Config, phrases: list[SourcedPhrase]) -> Config:
    """Sets the tones' length to the longest sounding note; InputError if a shorter one is configured."""
    seconds = config.clip.seconds
    longest, place = max((longest_sounding_s(config, row.notes), index) for index, row in enumerate(phrases))
    asked = config.tones.seconds
    if asked is None:
        asked = min(seconds, math.ceil(longest / TONE_GRID_S) * TONE_GRID_S)
    if longest > asked:
        raise InputError(
            f"tones.seconds: {asked:g} is too short: a note of phrase {place} sounds for {longest:.3f} s;"
            " leave it out, or give more"
        )
    return config.model_copy(update={"tones": config.tones.model_copy(update={"seconds": asked})})


def midi_phrases(config: Config, say: Say) -> tuple[list[SourcedPhrase], list[str]]:
    """Returns the phrases of the config's MIDI folder in the tones' range, and a line per skipped window.

    `say` is told what was repaired or passed over. Raises InputErrors with the files that cannot be read.
    """
    folder = config.phrases.midi
    if folder is None:
        return [], []
    spec = folder.extract.model_copy(
        update={
            "lowest_pitch": max(config.tones.lowest_pitch, folder.extract.lowest_pitch),
            "highest_pitch": min(config.tones.highest_pitch, folder.extract.highest_pitch),
        }
    )
    return extract_folder(folder.folder, spec, config.clip.seconds, skip_bad=folder.skip_bad, say=say)


def envelope_rows(config: Config) -> list[dict[str, Any]]:
    """Draws the rows of envelopes.parquet, with clusters and sides."""
    drawn = draw_envelopes(config)
    clusters = envelope_clusters([envelope for _, envelope in drawn])
    sides = assign_sides(clusters, config.splits.test_envelopes, config.seed, "envelope")
    return [
        {
            "envelope": index,
            "family": family,
            **envelope.values(),
            "cluster": clusters[index],
            "side": sides[index],
            "generation": 0,
        }
        for index, (family, envelope) in enumerate(drawn)
    ]


def check_playable(synths: list[Synth], envelopes: list[dict[str, Any]]) -> None:
    """Raises InputError unless every synth's own envelope can be set to every drawn envelope."""
    for synth in synths:
        profile = synth.profile
        if profile.envelope is None:
            raise InputError(
                f"shaping: plugin: the profile of {synth.name} does not define its envelope's parameters;"
                " calibrate it, or use shaping: renderer"
            )
        for row in envelopes:
            try:
                profile.envelope.parameter_values(envelope_of(row), profile.parameters)
            except InputError as error:
                raise InputError(f"envelopes.{row['family']}: {synth.name} cannot play it: {error}") from None


def phrases_with_sides(config: Config, phrases: list[SourcedPhrase]) -> list[dict[str, Any]]:
    """Returns the rows of phrases.parquet, with clusters and sides."""
    rows = phrase_rows(phrases)
    clusters = [row["cluster"] for row in rows]
    sides = assign_sides(clusters, config.splits.test_phrases, config.seed, "phrase")
    return [{**row, "side": side} for row, side in zip(rows, sides, strict=True)]


def make_plan(config: Config) -> Plan:
    """Makes a plan from a config. Plays no synth and writes nothing.

    Raises InputError if the config asks for something impossible.

    Example: `make_plan(load(Path("configs/demo.yaml"))).metadata["fingerprint"]`.
    """
    config, synths, remarks = resolve_synths(config)
    envelopes = envelope_rows(config)
    if config.shaping == "plugin":
        check_playable(synths, envelopes)
    gathered, more = gather_phrases(config)
    config = with_tone_seconds(config, gathered)
    phrases = phrases_with_sides(config, gathered)
    of = ingredients(config, synths, midi_sources(phrases))
    metadata = {
        "schema": SCHEMA_VERSION,
        "name": config.name,
        "seed": config.seed,
        "platform": platform_class(),
        "generations": [],
    }
    return Plan(with_generation(metadata, config, of, envelopes, phrases), envelopes, phrases, remarks + more)


def midi_sources(phrases: list[dict[str, Any]]) -> dict[str, str]:
    """Maps each MIDI source of the phrases to its file's SHA-256."""
    return {row["source"]: row["source_sha256"] for row in phrases if row["source_sha256"]}


def with_generation(
    metadata: dict[str, Any],
    config: Config,
    of: dict[str, Any],
    envelopes: list[dict[str, Any]],
    phrases: list[dict[str, Any]],
) -> dict[str, Any]:
    """Adds a generation to dataset.json. Each keeps its config, so that it can be planned again in order."""
    plain = config.model_dump(mode="json")
    generation = {
        "generation": len(metadata["generations"]),
        "timbres": sum(timbres.count for timbres in config.timbres),
        "envelopes": len(envelopes),
        "phrases": len(phrases),
        "config": plain,
    }
    return {
        **metadata,
        "config": plain,
        "fingerprint": fingerprint(of),
        "fingerprint_of": of,
        "versions": {DISTRIBUTION: package_version()},
        "generations": [*metadata["generations"], generation],
    }


def write_plan(planned: Plan, root: Path) -> bool:
    """Writes a plan to a folder; returns False if it holds the same plan already.

    Raises InputError if the folder holds another dataset, or anything else.
    """
    layout = Layout(root)
    if layout.dataset_json.exists():
        present = layout.metadata()
        if present["fingerprint"] == planned.metadata["fingerprint"]:
            return False
        lines = differences(planned.metadata["fingerprint_of"], present["fingerprint_of"])
        inputs = ("synths.", "midi.")
        if lines and not layout.committed() and all(line.startswith(inputs) for line in lines):
            raise InputError(
                f"{root}: planned with other input files than there are now, and no shard is rendered yet:"
                f" presets, plugins or MIDI files changed since ({'; '.join(lines[:3])}); remove the"
                " folder and plan again"
            )
        raise InputError(
            f"{root}: holds another dataset, and finished shards are never rewritten; it differs (asked for"
            f" != there) in {'; '.join(lines[:5])}{' …' if len(lines) > 5 else ''}. Use another folder"
        )
    if root.exists() and not root.is_dir():
        raise InputError(f"{root}: is a file; expected a folder to write the dataset to")
    ours = ("envelopes.parquet", "phrases.parquet")
    names = visible(path.name for path in root.iterdir()) if root.exists() else []
    if foreign := [name for name in names if name not in ours]:
        raise InputError(f"{root}: is not empty ({foreign[0]!r} …) and holds no dataset; use another folder")
    if is_local(root):
        root.mkdir(parents=True, exist_ok=True)
    write_tables(layout, planned)
    return True


def write_tables(layout: Layout, planned: Plan) -> None:
    """Writes a plan's tables, then dataset.json, which commits them."""
    write_table(layout.table("envelopes"), to_table("envelopes", planned.envelopes))
    write_table(layout.table("phrases"), to_table("phrases", planned.phrases))
    text = json.dumps(planned.metadata, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    files.replace(layout.dataset_json, json_bytes(text))
