"""Casts timbres: decides which presets become the dataset's timbres.

Presets of each synth are tried in a seeded order until the configured number has passed. Each failure is
a row of failures.parquet. The result is that of trying presets one by one, whatever the parallelism.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from manifests.splits.clusters import connected, timbres_alike
from manifests.splits.seeds import permutation
from manifests.splits.splits import assign_sides, grow_sides
from manifests.types import Envelope, InputError
from presets.host.client import GroupFailure
from presets.host.usable import usable_presets
from presets.scan.selection import select_presets
from presets.synths.preset import Preset
from presets.synths.synth import Synth
from presets.tones.making import group_address
from presets.tones.tone_set import ToneSet
from render.casting.altered import alter, is_chosen, original_key
from render.casting.labels import label_rows
from render.config import Config, Timbres
from render.tones import ToneSetCache, configured_synth

MAX_TRIES_PER_TIMBRE = 12


@dataclass(frozen=True, slots=True)
class PresetResult:
    """A tried preset: its row of timbres.parquet without ids, or None with the reason of its failure."""

    synth: str
    preset: Preset
    row: dict[str, Any] | None
    reason: str = ""
    detail: str = ""
    labels: tuple[dict[str, Any], ...] = ()
    """Its rows of labels.parquet without the timbre's id."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A preset to try. The canary of a wave has its tone set made twice and compared.

    `seed` is the dataset's: it decides whether and how the timbre is altered.
    """

    timbres: Timbres
    preset: Preset
    canary: bool
    seed: int
    labels: str = "asked"
    """What rows are to state; see `Config.labels`."""
    envelopes: tuple[Envelope, ...] = ()
    """With `shaping: plugin`, the dataset's envelopes, which the synth has to play as rows state them."""


TryPresets = Callable[[ToneSetCache, list[Candidate]], Iterator[PresetResult]]


def try_preset(tone_sets: ToneSetCache, wanted: Candidate) -> PresetResult:
    """Makes one preset's tone set and checks it.

    A preset's failure is a result. Raises MachineFailure if the canary's tones differ or the host fails.
    """
    preset = wanted.preset
    synth = configured_synth(wanted.timbres)
    try:
        tones = tone_sets.get(synth, preset)
        if wanted.canary and synth.is_deterministic(preset):
            tone_sets.compare(synth, preset, tones)
        if is_chosen(wanted.seed, wanted.timbres.altered, synth, preset):
            preset, tones = alter(tone_sets, wanted.seed, synth, preset, tones)
        labels = (
            label_rows(tone_sets, synth, preset, wanted.envelopes, wanted.labels, wanted.seed)
            if wanted.envelopes
            else ()
        )
    except GroupFailure as failure:
        return PresetResult(synth.name, preset, None, failure.reason, failure.detail)
    except InputError as damaged:
        return PresetResult(synth.name, preset, None, "unloadable", str(damaged))
    return PresetResult(synth.name, preset, _row(tone_sets, synth, preset, tones), labels=labels)


def _row(tone_sets: ToneSetCache, synth: Synth, preset: Preset, tones: ToneSet) -> dict[str, Any]:
    return {
        "name": preset.name,
        "synth": synth.name,
        "preset": preset.address,
        "bank_sha256": preset.bank_sha256,
        "plugin_sha256": synth.plugin_sha256,
        "parameters": preset.stated_parameters(),
        "state": preset.state,
        "deterministic": synth.is_deterministic(preset),
        "group": group_address(synth, preset, tone_sets.spec),
        "tones_sha256": tones.sha256,
        "lowest_pitch": tone_sets.spec.lowest_pitch,
        "highest_pitch": tone_sets.spec.highest_pitch,
        "octave": tones.octave,
        "pitch_confidence": tones.pitch_confidence,
        "level_variation_db": tones.level_variation_db,
        "fingerprint": [float(value) for value in tones.fingerprint],
    }


def candidates(synth: Synth, seed: int, timbres: Timbres | None = None) -> Iterator[Preset]:
    """Yields a synth's presets in the order of their tries: its banks shuffled, then random presets if any.

    If `timbres` names a scan, only the presets that it selects are yielded.
    """
    presets = usable_presets(synth, timbres is not None and timbres.skip_bad)
    if timbres is not None and timbres.scan is not None:
        passing = set(select_presets(timbres.scan, synth, timbres.select))
        presets = [preset for preset in presets if preset.address in passing]
    for place in permutation(seed, len(presets), "cast", synth.name):
        yield presets[int(place)]
    if synth.has_random_presets and (timbres is None or timbres.scan is None):
        index = 0
        while True:
            yield synth.random_preset(seed, index)
            index += 1


def cast(
    config: Config,
    tone_sets: ToneSetCache,
    try_presets: TryPresets,
    before: Sequence[dict[str, Any]] = (),
    failed: Sequence[dict[str, Any]] = (),
    generation: int = 0,
    envelopes: Sequence[Envelope] = (),
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Casts a generation's timbres; returns the rows of timbres.parquet and of failures.parquet.

    With `shaping: plugin`, `envelopes` are the dataset's; new rows of timbres then hold their rows of
    labels.parquet as `labels`.

    A later generation keeps the rows `before` it, and skips their presets and those that `failed` earlier.
    Raises InputError if too few presets pass.
    """
    names_by_key = {original_key(config.seed, row): row["name"] for row in before}
    checked = tuple(envelopes) if config.shaping == "plugin" else ()
    casting = _Casting(config, tone_sets, try_presets, [*failed], names_by_key, checked)
    sources = {
        timbres.synth: _untried(config.seed, timbres, [*before, *failed]) for timbres in config.timbres
    }
    accepted: list[dict[str, Any]] = []
    while True:
        for timbres in config.timbres:
            there = sum(row["synth"] == timbres.synth for row in [*before, *accepted])
            accepted += casting.find(timbres, timbres.count - there, sources[timbres.synth])
        rows = _with_sides(config, before, accepted, generation)
        unassigned = {row["group"]: row for row in rows if not row["side"]}
        if not unassigned:
            return rows, casting.failures
        for row in unassigned.values():
            detail = "sounds like timbres of two sides, or would be alone on its side"
            casting.fail(row["synth"], row["preset"], "homeless", detail)
        accepted = [row for row in accepted if row["group"] not in unassigned]


def _untried(seed: int, timbres: Timbres, known: list[dict[str, Any]]) -> Iterator[Preset]:
    tried = {row["preset"] for row in known if row["synth"] == timbres.synth}
    source = candidates(configured_synth(timbres), seed, timbres)
    return (preset for preset in source if preset.address not in tried)


@dataclass
class _Casting:
    """State of casting: failures, accepted timbres by the key of their plain tones, and tries per synth.

    So of presets with equal audio one becomes a timbre, plain or altered.
    """

    config: Config
    tone_sets: ToneSetCache
    try_presets: TryPresets
    failures: list[dict[str, Any]]
    names_by_key: dict[int, str]
    envelopes: tuple[Envelope, ...] = ()
    tried: Counter[str] = field(default_factory=Counter)

    def fail(self, synth: str, preset: str, reason: str, detail: str) -> None:
        self.failures.append(
            {
                "stage": "tones",
                "synth": synth,
                "preset": preset,
                "reason": reason,
                "detail": detail,
                "shard": "",
            }
        )

    def find(self, timbres: Timbres, wanted: int, source: Iterator[Preset]) -> list[dict[str, Any]]:
        """Returns the rows of the next `wanted` timbres of a synth that pass, in the order of their tries."""
        accepted: list[dict[str, Any]] = []
        while len(accepted) < wanted:
            presets = list(islice(source, wanted - len(accepted)))
            tried = self.tried[timbres.synth]
            watched = permutation(self.config.seed, len(presets), "canary", timbres.synth, tried)[:1]
            wave = [
                Candidate(
                    timbres, preset, place in watched, self.config.seed, self.config.labels, self.envelopes
                )
                for place, preset in enumerate(presets)
            ]
            if not wave or tried > MAX_TRIES_PER_TIMBRE * timbres.count + 50:
                raise InputError(
                    f"timbres: {len(accepted)} of {wanted} {timbres.synth} timbres passed after {tried}"
                    f" tries; {self._advice()}"
                )
            self.tried[timbres.synth] += len(wave)
            for answer in self.try_presets(self.tone_sets, wave):
                if answer.row is None:
                    self.fail(answer.synth, answer.preset.address, answer.reason, answer.detail)
                    continue
                key = original_key(self.config.seed, answer.row)
                twin = self.names_by_key.get(key)
                if twin is None:
                    self.names_by_key[key] = answer.row["name"]
                    accepted.append({**answer.row, "labels": answer.labels} if answer.labels else answer.row)
                else:
                    self.fail(answer.synth, answer.preset.address, "duplicate", f"same audio as {twin}")
        return accepted

    def _advice(self) -> str:
        """Says why presets failed, and what to do about it."""
        last = self.failures[-1] if self.failures else {"reason": "none left", "detail": ""}
        if last["reason"] == "mislabelled":
            return (
                f"last failure: mislabelled ({last['detail']}). The synth does not play the envelopes that"
                " rows would state: correct the laws in its profile (`python -m presets calibrate`), or set"
                " `labels: measured`"
            )
        return f"last failure: {last['reason']}. Lower the count, or widen tones.max_level_variation_db"


def _with_sides(
    config: Config, before: Sequence[dict[str, Any]], accepted: list[dict[str, Any]], generation: int
) -> list[dict[str, Any]]:
    """Adds ids, clusters and sides to all rows. A later generation's row without a side ("") is replaced."""
    rows = [*before, *({**row, "generation": generation} for row in accepted)]
    clusters = connected(timbres_alike(np.array([row["fingerprint"] for row in rows], dtype=np.float32)))
    left_out, share = config.splits.unseen_synth, config.splits.test_timbres
    if generation == 0:
        sides = _first_sides(config, rows, clusters)
    else:
        fixed = ["synth" if row["synth"] == left_out else None for row in accepted]
        kept = [row["side"] for row in before]
        sides = kept + grow_sides(clusters, kept, fixed, share, config.seed, "timbre", generation)
    return [
        {**row, "timbre": index, "cluster": clusters[index], "side": sides[index]}
        for index, row in enumerate(rows)
    ]


def _first_sides(config: Config, rows: list[dict[str, Any]], clusters: list[int]) -> list[str]:
    """Draws the first generation's sides. The unseen synth has a side of its own."""
    seen = [i for i, row in enumerate(rows) if row["synth"] != config.splits.unseen_synth]
    sides = ["synth"] * len(rows)
    drawn = assign_sides([clusters[i] for i in seen], config.splits.test_timbres, config.seed, "timbre")
    for i, side in zip(seen, drawn, strict=True):
        sides[i] = side
    left_out = {clusters[i] for i in range(len(rows)) if sides[i] == "synth"}
    for i in seen:
        # It sounds like a timbre of the unseen synth: in train it would leak, so it is a test timbre.
        if clusters[i] in left_out:
            sides[i] = "test"
    return sides
