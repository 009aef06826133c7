"""`shaping: plugin` by the shard: groups played by the plugin, failures replaced, a canary in each shard.

What a block holds depends on the block alone: a timbre that fails in it gives way to the next timbre of
its side, in an order seeded by (timbre, block), that is not in the block yet.
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
from presets.synths.synths import Preset, Synth
from presets.tones.playing import PlayedCell, PlaySpec, play_group, played_address
from render.clips.clips import Clip, TimbreInfo, finished
from render.clips.dataset import Dataset, MachineFault, planned_timbres
from render.tones import host_of

CANARY_CLIPS = 4
"""How many clips of a group a canary plays again; what comes first cannot know what was to come after it."""


@dataclass(frozen=True, slots=True)
class Group:
    """A timbre's clips of one block, still to be played: what is played, and its address."""

    synth: Synth
    preset: Preset
    cells: tuple[PlayedCell, ...]
    ids: tuple[ClipId, ...]
    address: str


@dataclass
class Player:
    """Plays the groups of one dataset. `failures` grows by a row for each timbre that failed."""

    dataset: Dataset
    failures: list[dict[str, Any]] = field(default_factory=list)

    @property
    def spec(self) -> PlaySpec:
        clip = self.dataset.clip_spec
        return PlaySpec(clip.rate, clip.frames, clip.cut_fade_ms)

    def group(self, block: dict[str, Any], timbre: int) -> Group:
        """The group of a timbre in a block: phrases slowest, envelopes fastest."""
        ids = tuple(
            ClipId(block["block"], timbre, envelope, phrase)
            for phrase in block["phrases"]
            for envelope in block["envelopes"]
        )
        cells = tuple(
            PlayedCell(self.dataset.phrases[i.phrase], self.dataset.envelopes[i.envelope]) for i in ids
        )
        synth, preset = self.dataset.sound(timbre)
        return Group(synth, preset, cells, ids, played_address(synth, preset, cells, self.spec))

    def play(self, group: Group, first: int | None = None) -> list[F32]:
        """A group's sounds, or its first ones, not yet normalised; GroupFailure blames its preset."""
        host = host_of(group.synth, self.spec.rate, self.dataset.config.buffer_size, self._work / "hosts")
        return play_group(host, group.synth, group.preset, group.cells, self.spec, first)

    def shard(self, shard: str) -> Iterator[Clip]:
        """A shard's clips, blocks in order; the start of one group of them is played twice and compared."""
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
        """The clips of a timbre in a block, or of the timbre that stands for it."""
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
            if canary and group.synth.repeats(group.preset):
                self._check_repeatability(group, sounds)
            yield from self._clips(group, sounds, None if candidate == timbre else timbre)
            return
        raise MachineFault(
            f"block {block['block']}: timbre {timbre} failed, and no other of its side is left to stand for"
            f" it; last failure: {self.failures[-1]['reason']} ({self.failures[-1]['detail']})."
            " Plan with more timbres, or try `render retry`"
        )

    def _spares(self, block: dict[str, Any], timbre: int) -> list[int]:
        timbres = self.dataset.timbres
        # A later generation's timbres stand for nobody: an old block stays what it was.
        known = (i for i in timbres if timbres[i]["generation"] <= block["generation"])
        same = sorted(i for i in known if timbres[i]["side"] == timbres[timbre]["side"])
        order = permutation(self.dataset.config.seed, len(same), "spare", timbre, block["block"])
        return [same[int(i)] for i in order]

    def _play_or_remember(self, group: Group) -> list[F32]:
        """Plays a group, unless it is known to fail: a resumed run does not try it again."""
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
        """The canary: the group's first clips once more, in a fresh fork, have to be the same samples."""
        try:
            again = self.play(group, CANARY_CLIPS)
            same = all(np.array_equal(a, b) for a, b in zip(sounds, again, strict=False))
        except GroupFailure:
            same = False
        if not same:
            raise MachineFault(
                f"canary: {group.synth.name} played {group.preset.name} differently the second time, though"
                " its profile calls it deterministic; mend the profile, or this machine"
            )

    def _clips(self, group: Group, sounds: list[F32], substitutes: int | None) -> Iterator[Clip]:
        spec = self.dataset.clip_spec
        row = self.dataset.timbres[group.ids[0].timbre]
        info = TimbreInfo(row["name"], group.address, row["octave"])
        for index, (clip, cell, sound) in enumerate(zip(group.ids, group.cells, sounds, strict=True)):
            pcm, factor = compose.to_int16(sound, spec.peak)
            yield finished(spec, clip, pcm, factor, cell.notes, cell.envelope, info, index, substitutes)

    @property
    def _work(self) -> Path:
        return self.dataset.layout.work


def forget_failures(work: Path) -> int:
    """Deletes the notes of what failed, so that it is tried again; how many there were."""
    notes = sorted([*(work / "tones").glob("*.failed.json"), *(work / "groups").glob("*.failed.json")])
    for note in notes:
        note.unlink(missing_ok=True)
    return len(notes)
