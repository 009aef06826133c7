"""Provides tone sets from a content-addressed cache, or makes them in this process's snapshot host.

A tone set is a function of timbre and config only, and its cache key hashes both. A failed preset is noted
beside the cache, so that a resumed run does not try it again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from manifests.dataset import files
from manifests.dataset.canonical import canonical_json
from presets.host.client import GroupFailure, MachineFailure, SnapshotHost
from presets.synths.preset import Preset
from presets.synths.synth import Synth, open_synth
from presets.tones.altering import alter_tone_set
from presets.tones.making import ToneSpec, check_pitch, group_address, is_reproducible, make_tone_set
from presets.tones.tone_set import ToneSet
from render.config import Config, Timbres

CHECK_PITCH_STEP = 5
"""Semitones between the tones that check a timbre with `shaping: plugin`."""


def tone_spec(config: Config) -> ToneSpec:
    """Returns the settings of a config's tone sets.

    With `shaping: plugin` the tones only serve to check a timbre, so some pitches suffice.
    """
    return ToneSpec(
        rate=config.clip.rate,
        seconds=config.clip.seconds if config.tones.seconds is None else config.tones.seconds,
        lowest_pitch=config.tones.lowest_pitch,
        highest_pitch=config.tones.highest_pitch,
        velocity=config.tones.velocity,
        settle_s=config.tones.settle_s,
        max_level_variation_db=config.tones.max_level_variation_db,
        require_pitched=config.tones.require_pitched,
        pitching=config.pitching,
        step=CHECK_PITCH_STEP if config.shaping == "plugin" else 1,
    )


@lru_cache(maxsize=8)
def cached_host(synth: Synth, rate: int, buffer_size: int, scratch: Path) -> SnapshotHost:
    """Returns this process's host of a synth, started once and kept until the process ends."""
    host = SnapshotHost(synth, rate=rate, buffer_size=buffer_size, scratch=scratch)
    host.__enter__()
    host.self_test()
    return host


@lru_cache(maxsize=8)
def cached_synth(name: str, plugin: Path | None) -> Synth:
    """Opens the synth called `name` once per process; raises InputError if it is not installed."""
    return open_synth(name, plugin)


def configured_synth(timbres: Timbres) -> Synth:
    """Returns the synth of a config's `timbres` entry; raises InputError if it is not installed."""
    return cached_synth(timbres.synth if timbres.profile is None else str(timbres.profile), timbres.plugin)


@dataclass(frozen=True, slots=True)
class ToneSetCache:
    """The tone sets of one dataset folder, loaded or made on demand. Picklable: holds no process or audio."""

    spec: ToneSpec
    buffer_size: int
    folder: Path

    @classmethod
    def of(cls, config: Config, work: Path) -> ToneSetCache:
        return cls(tone_spec(config), config.buffer_size, work / "tones")

    def get(self, synth: Synth, preset: Preset) -> ToneSet:
        """Loads or makes a preset's tone set; raises GroupFailure if the preset fails or failed before.

        An altered one is made of the plain one, which stays in the cache, too.
        """
        address = group_address(synth, preset, self.spec)
        path, failed = self.folder / address, self.folder / f"{address}.failed.json"
        kept = ToneSet.load_or_none(path)
        if kept is not None:
            return kept
        if failed.exists():
            note = json.loads(failed.read_bytes())
            raise GroupFailure(note["reason"], note["detail"])
        try:
            made = self._made(synth, preset)
        except GroupFailure as failure:
            files.replace(failed, canonical_json({"reason": failure.reason, "detail": failure.detail}))
            raise
        made.save(path)
        return made

    def _made(self, synth: Synth, preset: Preset) -> ToneSet:
        if preset.recipe is None:
            return make_tone_set(self.host(synth), synth, preset, self.spec)
        tones = alter_tone_set(self.get(synth, replace(preset, recipe=None)), preset.recipe)
        check_pitch(self.spec, tones.pitch_confidence)
        return tones

    def compare(self, synth: Synth, preset: Preset, tones: ToneSet) -> None:
        """Makes a set's first tones again in a fresh fork; MachineFailure unless they are identical."""
        try:
            same, how = is_reproducible(self.host(synth), synth, preset, self.spec, tones), ""
        except GroupFailure as failure:
            same, how = False, f" ({failure})"
        if not same:
            raise MachineFailure(
                f"canary: the tones of {preset.name} came out differently the second time{how}, though the"
                f" profile of {synth.name} calls it deterministic; correct the profile or the machine"
            )

    def host(self, synth: Synth) -> SnapshotHost:
        """Returns this process's host of a synth for this dataset."""
        return cached_host(synth, self.spec.rate, self.buffer_size, self.folder.parent / "hosts")
