"""Renders shards with `shaping: plugin`: plays groups, replaces failed timbres, checks a canary.

A block's content depends on the block alone. If a timbre fails in it, another timbre of its side replaces it,
which must not be in the block yet. The order of candidates is seeded by (timbre, block).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from manifests.dataset import files
from manifests.dataset.canonical import canonical_json
from manifests.splits.seeds import permutation
from manifests.synthesis import compose
from manifests.synthesis.compose import F32
from manifests.types import ClipId
from presets.host.client import GroupFailure
from presets.synths.preset import Preset
from presets.synths.synth import Synth
from presets.tones.playing import PlayedCell, PlaySpec, play_group, played_address
from render.clips.clips import Clip, TimbreInfo, make_clip
from render.clips.dataset import MachineFault, PlannedDataset, planned_timbres
from render.tones import cached_host

CANARY_CLIPS = 4
"""Clips of a group that a canary plays again. The first clips do not depend on later ones, so few suffice."""


@dataclass(frozen=True, slots=True)
class Group:
    """A timbre's clips of one block, played by one plugin snapshot; `address` hashes all they depend on."""

    synth: Synth
    preset: Preset
    cells: tuple[PlayedCell, ...]
    ids: tuple[ClipId, ...]
    address: str


@dataclass
class PluginPlayer:
    """Plays the groups of one dataset with its plugins. `failures` collects a row per failed timbre."""

    dataset: PlannedDataset
    failures: list[dict[str, Any]] = field(default_factory=list)

    @property
    def spec(self) -> PlaySpec:
        clip = self.dataset.clip_spec
        return PlaySpec(clip.rate, clip.frames, clip.cut_fade_ms)

    def group(self, block: dict[str, Any], timbre: int) -> Group:
        """Returns a timbre's group in a block: phrases vary slowest, envelopes fastest."""
        ids = tuple(
            ClipId(block["block"], timbre, envelope, phrase)
            for phrase in block["phrases"]
            for envelope in block["envelopes"]
        )
        cells = tuple(
            PlayedCell(
                self.dataset.phrases[i.phrase],
                self.dataset.envelopes[i.envelope],
                self.dataset.measured.get((timbre, i.envelope)),
            )
            for i in ids
        )
        synth, preset = self.dataset.sound(timbre)
        return Group(synth, preset, cells, ids, played_address(synth, preset, cells, self.spec))

    def play(self, group: Group, first: int | None = None) -> list[F32]:
        """Plays a group, or its `first` clips; returns float32 [frames] each, not normalised.

        Raises GroupFailure if the preset fails, and MachineFailure if the host fails.
        """
        host = cached_host(group.synth, self.spec.rate, self.dataset.config.buffer_size, self._work / "hosts")
        return play_group(host, group.synth, group.preset, group.cells, self.spec, first)

    def shard(self, shard: str) -> Iterator[Clip]:
        """Yields a shard's clips, blocks in order. One group's first clips are played twice and compared.

        Raises MachineFault if no timbre is left to replace a failed one, or if the canary differs.
        """
        blocks = self.dataset.blocks_of(shard)
        seed = self.dataset.config.seed
        watched = int(permutation(seed, len(blocks), "canary", shard)[0])
        for place, block in enumerate(blocks):
            planned = planned_timbres(block)
            twice = int(permutation(seed, len(planned), "canary", block["block"])[0])
            used = set(planned)
            for index, timbre in enumerate(planned):
                yield from self._place(block, timbre, used, place == watched and index == twice)

    def _place(self, block: dict[str, Any], timbre: int, used: set[int], canary: bool) -> Iterator[Clip]:
        """Yields the clips of a timbre in a block, or of its replacement."""
        for candidate in [timbre, *self._spares(block, timbre)]:
            if candidate != timbre and candidate in used:
                continue
            used.add(candidate)
            group = self.group(block, candidate)
            try:
                sounds = self._play_or_remember(group)
            except GroupFailure as failure:
                self._note(candidate, block["shard"], failure)
                continue
            if canary and group.synth.is_deterministic(group.preset):
                self._check_repeatability(group, sounds)
            yield from self._clips(group, sounds, None if candidate == timbre else timbre)
            return
        raise MachineFault(
            f"block {block['block']}: timbre {timbre} failed, and no other of its side is left to replace"
            f" it; last failure: {self.failures[-1]['reason']} ({self.failures[-1]['detail']})."
            " Plan with more timbres, or try `render retry`"
        )

    def _spares(self, block: dict[str, Any], timbre: int) -> list[int]:
        timbres = self.dataset.timbres
        # A later generation's timbres replace none of an old block: its content stays.
        known = (i for i in timbres if timbres[i]["generation"] <= block["generation"])
        same = sorted(i for i in known if timbres[i]["side"] == timbres[timbre]["side"])
        order = permutation(self.dataset.config.seed, len(same), "spare", timbre, block["block"])
        return [same[int(i)] for i in order]

    def _play_or_remember(self, group: Group) -> list[F32]:
        """Plays a group unless its failure is noted: a resumed run does not try it again."""
        note = self._work / "groups" / f"{group.address}.failed.json"
        if note.exists():
            known = json.loads(note.read_bytes())
            raise GroupFailure(known["reason"], known["detail"])
        try:
            return self.play(group)
        except GroupFailure as failure:
            files.replace(note, canonical_json({"reason": failure.reason, "detail": failure.detail}))
            raise

    def _note(self, timbre: int, shard: str, failure: GroupFailure) -> None:
        row = self.dataset.timbres[timbre]
        self.failures.append(
            {
                "stage": "clips",
                "synth": row["synth"],
                "preset": row["preset"],
                "reason": failure.reason,
                "detail": failure.detail,
                "shard": shard,
            }
        )

    def _check_repeatability(self, group: Group, sounds: list[F32]) -> None:
        """Plays the group's first clips again in a fresh fork; MachineFault unless they are identical."""
        try:
            again = self.play(group, CANARY_CLIPS)
            same = all(np.array_equal(a, b) for a, b in zip(sounds, again, strict=False))
        except GroupFailure:
            same = False
        if not same:
            raise MachineFault(
                f"canary: {group.synth.name} played {group.preset.name} differently the second time, though"
                " its profile calls it deterministic; correct the profile, or this machine"
            )

    def _clips(self, group: Group, sounds: list[F32], substitutes: int | None) -> Iterator[Clip]:
        spec = self.dataset.clip_spec
        row = self.dataset.timbres[group.ids[0].timbre]
        info = TimbreInfo(row["name"], group.address, row["octave"])
        for index, (clip, cell, sound) in enumerate(zip(group.ids, group.cells, sounds, strict=True)):
            pcm, factor = compose.to_int16(sound, spec.peak)
            yield make_clip(spec, clip, pcm, factor, cell.notes, cell.row, info, index, substitutes)

    @property
    def _work(self) -> Path:
        return self.dataset.layout.work


def forget_failures(work: Path) -> int:
    """Deletes the notes of failed presets, so that they are tried again; returns their number."""
    notes = sorted([*(work / "tones").glob("*.failed.json"), *(work / "groups").glob("*.failed.json")])
    for note in notes:
        note.unlink(missing_ok=True)
    return len(notes)
