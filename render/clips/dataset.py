"""Opens a planned dataset folder for rendering: its config, ids and tables as values."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests.dataset.canonical import differences
from manifests.dataset.layout import Layout
from manifests.dataset.rows import envelope_of, measured_envelopes, notes_of
from manifests.dataset.storage import parquet_file
from manifests.synthesis import compose
from manifests.synthesis.recipe_parameters import split_parameters
from manifests.types import Envelope, InputError, Notes
from presets.synths.preset import Preset
from presets.synths.synth import Synth
from presets.tones.tone_set import ToneSet
from render import config as configs
from render.clips.clips import ClipSpec, Composer, TimbreInfo, Tones
from render.planning.blocks import Block
from render.planning.fingerprint import platform_class
from render.tones import ToneSetCache, configured_synth


class MachineFault(RuntimeError):
    """This machine cannot render what the dataset asks for; never a preset's fault. One-line message."""


@dataclass(frozen=True, slots=True)
class ShardPlan:
    """A planned shard: its split, its first block, and its numbers of blocks and clips."""

    split: str
    first: int
    blocks: int
    clips: int


@dataclass(frozen=True)
class PlannedDataset:
    """A planned folder. Tables are read at first use and cached."""

    root: Path

    @cached_property
    def layout(self) -> Layout:
        return Layout(self.root)

    @cached_property
    def metadata(self) -> dict[str, Any]:
        return self.layout.metadata()

    @cached_property
    def config(self) -> configs.Config:
        return configs.parse(self.metadata.get("config"), str(self.layout.dataset_json))

    @cached_property
    def tone_sets(self) -> ToneSetCache:
        return ToneSetCache.of(self.config, self.layout.work)

    @cached_property
    def envelopes(self) -> dict[int, Envelope]:
        return {row["envelope"]: envelope_of(row) for row in self.layout.read("envelopes").to_pylist()}

    @cached_property
    def phrases(self) -> dict[int, Notes]:
        return {row["phrase"]: notes_of(row) for row in self.layout.read("phrases").to_pylist()}

    @cached_property
    def timbres(self) -> dict[int, dict[str, Any]]:
        """Rows of timbres.parquet by id, with `parameters` as a dict."""
        rows = self.layout.read("timbres").to_pylist(maps_as_pydicts="strict")
        return {row["timbre"]: row for row in rows}

    @cached_property
    def measured(self) -> dict[tuple[int, int], Envelope]:
        """With `labels: measured`, what rows state of each timbre and envelope; else nothing."""
        return measured_envelopes(self.layout) if self.config.labels == "measured" else {}

    @cached_property
    def blocks(self) -> pa.Table:
        """blocks.parquet in order of ids. It stays a table, since there may be half a million rows."""
        return self.layout.read("blocks").combine_chunks()

    @cached_property
    def shards(self) -> dict[str, ShardPlan]:
        """The planned shards in order. A shard's blocks are contiguous rows."""
        if not self.blocks.num_rows:
            return {}
        names = self.blocks["shard"].combine_chunks().dictionary_encode()
        number = names.indices.to_numpy()
        starts = np.flatnonzero(np.diff(number, prepend=-1))
        clips = np.add.reduceat(self.blocks["clips"].to_numpy(), starts)
        ends = [*starts[1:], len(number)]
        return {
            names.dictionary[int(number[start])].as_py(): ShardPlan(
                self.blocks["split"][int(start)].as_py(), int(start), int(end - start), int(count)
            )
            for start, end, count in zip(starts, ends, clips, strict=True)
        }

    def blocks_of(self, shard: str) -> list[dict[str, Any]]:
        """Returns the rows of a shard's blocks, in order."""
        plan = self.shards[shard]
        rows: list[dict[str, Any]] = self.blocks.slice(plan.first, plan.blocks).to_pylist()
        return rows

    def block(self, number: int) -> dict[str, Any]:
        """Returns the row of a block."""
        row: dict[str, Any] = self.blocks.slice(number, 1).to_pylist()[0]
        return row

    @property
    def generations(self) -> list[configs.Config]:
        """The config of each generation. The last one is the dataset's."""
        return configs.generations(self.metadata, str(self.layout.dataset_json))

    def generations_cut(self) -> int:
        """Returns how many generations have their timbres cast and their blocks cut."""
        path = self.layout.table("blocks")
        if not path.exists():
            return 0
        return int(pc.max(parquet_file(path).read(columns=["generation"])["generation"]).as_py()) + 1

    @property
    def is_cast(self) -> bool:
        """Whether the first stage is complete for all generations."""
        return self.generations_cut() == len(self.metadata["generations"])

    def is_done(self, shard: str) -> bool:
        """Returns whether a shard is committed, which its clip table shows."""
        return self.layout.clip_table(shard).exists()

    def done(self) -> set[str]:
        """Returns all committed shards from one listing of the folder."""
        return self.layout.committed()

    @cached_property
    def clip_spec(self) -> ClipSpec:
        clip = self.config.clip
        return ClipSpec(
            rate=clip.rate,
            frames=compose.to_samples(clip.seconds, clip.rate),
            peak=compose.peak_value(clip.peak_dbfs),
            cut_fade_ms=clip.cut_fade_ms,
            flac_level=self.config.flac_level,
        )

    def check_machine(self) -> None:
        """Checks that this machine has the plan's platform class and synths; raises MachineFault if not."""
        if lines := differences(self.metadata["platform"], platform_class()):
            raise MachineFault(
                f"{self.root}: this machine is not of the platform class it was planned on (planned != here):"
                f" {'; '.join(lines[:3])}; finish it on one that is, or plan again in another folder"
            )
        for timbres in self.config.timbres:
            try:
                here = configured_synth(timbres).fingerprint()
            except InputError as error:
                raise MachineFault(f"{self.root}: {error}") from None
            planned = self.metadata["fingerprint_of"]["synths"][timbres.synth]
            if lines := differences(planned, here, timbres.synth):
                if all(line.startswith(f"{timbres.synth}.bank/") for line in lines):
                    raise MachineFault(
                        f"{self.root}: presets of {timbres.synth} changed since it was planned, or differ on"
                        f" this machine: {'; '.join(lines[:3])}; restore them, or plan again elsewhere"
                    )
                raise MachineFault(
                    f"{self.root}: this machine's {timbres.synth} is not the one it was planned with:"
                    f" {'; '.join(lines[:3])}; install that version, or plan again in another folder"
                )

    def sound(self, timbre: int) -> tuple[Synth, Preset]:
        """Returns a timbre's synth and preset from its row; MachineFault if plugin or profile differ."""
        row = self.timbres[timbre]
        synth = configured_synth(next(t for t in self.config.timbres if t.synth == row["synth"]))
        if synth.plugin_sha256 != row["plugin_sha256"]:
            raise MachineFault(
                f"timbre {timbre} ({row['name']}): made with plugin {row['plugin_sha256'][:12]}…,"
                f" here is {synth.plugin_sha256[:12]}…"
            )
        planned = self.metadata["fingerprint_of"]["synths"][synth.name]["profile"]
        if synth.profile.sha256() != planned:
            raise MachineFault(
                f"timbre {timbre} ({row['name']}): profile {synth.source} has changed since the plan"
            )
        values, recipe = split_parameters(row["parameters"])
        return synth, Preset(row["preset"], row["name"], values, row["bank_sha256"], row["state"], recipe)

    def tone_set(self, timbre: int) -> ToneSet:
        """Returns a timbre's tone set, kept, cached or made from its row; raises MachineFault if it differs.

        Tones of a synth that does not repeat are read from the dataset's own store, so that each worker and
        each resumed run uses the same.
        """
        row = self.timbres[timbre]
        if not row["deterministic"]:
            kept = ToneSet.load_or_none(self.layout.kept_tones(row["tones_sha256"]))
            if kept is not None:
                return kept
        tones = self.tone_sets.get(*self.sound(timbre))
        if tones.sha256 != row["tones_sha256"]:
            raise MachineFault(
                f"timbre {timbre} ({row['name']}): its tones came out differently here"
                f" ({tones.sha256[:12]}… instead of {row['tones_sha256'][:12]}…);"
                " another platform class, or a synth whose renders do not repeat"
            )
        return tones

    def composer(self) -> Composer:
        """Returns a composer for this dataset's clips. It caches the tone sets used last."""
        kept: dict[int, Tones] = {}

        def tones(timbre: int) -> Tones:
            if timbre not in kept:
                while len(kept) >= 2 * self.config.blocks.timbres:
                    del kept[next(iter(kept))]
                kept[timbre] = self.tone_set(timbre).by_pitch()
            return kept[timbre]

        infos = {
            timbre: TimbreInfo(row["name"], row["group"], row["octave"])
            for timbre, row in self.timbres.items()
        }
        return Composer(self.clip_spec, self.phrases, self.envelopes, infos, tones)


def block_of(row: dict[str, Any]) -> Block:
    """Returns the ids in a row of blocks.parquet."""
    return Block(tuple(row["timbres"]), tuple(row["phrases"]), tuple(row["envelopes"]))


def planned_timbres(row: dict[str, Any]) -> list[int]:
    """Returns a block's timbres as planned, before any replacement."""
    return list(row["timbres"] if row["planned"] is None else row["planned"])
