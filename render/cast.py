"""Casting: which presets become the dataset's timbres.

Presets of each synth are tried in a seeded order until the configured number has passed; each failure is
a row of failures.parquet. The outcome is that of trying them one by one, however many are tried at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from manifests.clusters import connected
from manifests.seeds import permutation
from manifests.splits import assign_sides
from manifests.vocabulary import BadInput
from presets.host import GroupFailure
from presets.selection import selected
from presets.synths import Preset, Synth
from presets.tones import ToneSet, alike, group_address
from render.config import Config, Timbres
from render.tones import ToneMaker, configured_synth

ATTEMPTS_PER_TIMBRE = 12


@dataclass(frozen=True, slots=True)
class Audition:
    """How a preset's try went: what is kept of its tone set, or why it failed."""

    synth: str
    preset: Preset
    row: dict[str, Any] | None
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Try:
    """A preset to be tried; as the canary of its wave its tone set is made twice and compared."""

    timbres: Timbres
    preset: Preset
    canary: bool


Auditions = Callable[[ToneMaker, list[Try]], Iterator[Audition]]


def audition(maker: ToneMaker, wanted: Try) -> Audition:
    """Makes one preset's tone set; a preset's failure is an answer, a machine's failure raises."""
    preset = wanted.preset
    synth = configured_synth(wanted.timbres)
    try:
        tones = maker.get(synth, preset)
    except GroupFailure as failure:
        return Audition(synth.name, preset, None, failure.reason, failure.detail)
    if wanted.canary and synth.repeats(preset):
        maker.compare(synth, preset, tones)
    return Audition(synth.name, preset, _row(maker, synth, preset, tones))


def _row(maker: ToneMaker, synth: Synth, preset: Preset, tones: ToneSet) -> dict[str, Any]:
    return {
        "name": preset.name,
        "synth": synth.name,
        "preset": preset.address,
        "bank_sha256": preset.bank_sha256,
        "plugin_sha256": synth.plugin_sha256,
        "parameters": preset.parameters,
        "state": preset.state,
        "deterministic": synth.repeats(preset),
        "group": group_address(synth, preset, maker.spec),
        "tones_sha256": tones.sha256,
        "lowest_pitch": maker.spec.lowest_pitch,
        "highest_pitch": maker.spec.highest_pitch,
        "octave": tones.octave,
        "pitch_confidence": tones.pitch_confidence,
        "level_variation_db": tones.level_variation_db,
        "fingerprint": [float(value) for value in tones.fingerprint],
    }


def candidates(synth: Synth, seed: int, timbres: Timbres | None = None) -> Iterator[Preset]:
    """A synth's presets in the order they are tried: its banks, shuffled, then random ones if it has any.

    Where `timbres` name a scan, only what they select of it.
    """
    presets = synth.presets()
    if timbres is not None and timbres.scan is not None:
        passing = set(selected(timbres.scan, synth, timbres.select))
        presets = [preset for preset in presets if preset.address in passing]
    for place in permutation(seed, len(presets), "cast", synth.name):
        yield presets[int(place)]
    if synth.has_random_presets and (timbres is None or timbres.scan is None):
        index = 0
        while True:
            yield synth.random_preset(seed, index)
            index += 1


def cast(
    config: Config, maker: ToneMaker, auditions: Auditions
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows of timbres.parquet, and the failures met on the way."""
    accepted: list[dict[str, Any]] = []
    failures: list[dict[str, Any]] = []
    heard: dict[str, str] = {}
    for timbres in config.timbres:
        source = candidates(configured_synth(timbres), config.seed, timbres)
        taken, tried = 0, 0
        while taken < timbres.count:
            presets = [preset for _, preset in zip(range(timbres.count - taken), source, strict=False)]
            watched = permutation(config.seed, len(presets), "canary", timbres.synth, tried)[:1]
            wave = [Try(timbres, preset, place in watched) for place, preset in enumerate(presets)]
            if not wave or tried > ATTEMPTS_PER_TIMBRE * timbres.count + 50:
                raise BadInput(
                    f"timbres: {taken} of {timbres.count} {timbres.synth} timbres passed after {tried} tries;"
                    f" last failure: {failures[-1]['reason'] if failures else 'none left'}."
                    " Lower the count, or widen tones.max_level_variation_db"
                )
            tried += len(wave)
            for answer in auditions(maker, wave):
                reason, detail = answer.reason, answer.detail
                if answer.row is not None:
                    twin = heard.get(answer.row["tones_sha256"])
                    if twin is None:
                        heard[answer.row["tones_sha256"]] = answer.row["name"]
                        accepted.append(answer.row)
                        taken += 1
                        continue
                    reason, detail = "duplicate", f"same audio as {twin}"
                failures.append(
                    {
                        "stage": "tones",
                        "synth": answer.synth,
                        "preset": answer.preset.address,
                        "reason": reason,
                        "detail": detail,
                        "shard": "",
                    }
                )
    return _with_sides(config, accepted), failures


def _with_sides(config: Config, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ids, clusters and sides: the synth left out has a side of its own, the others share theirs."""
    clusters = connected(alike(np.array([row["fingerprint"] for row in rows], dtype=np.float32)))
    seen = [i for i, row in enumerate(rows) if row["synth"] != config.splits.unseen_synth]
    sides = ["synth"] * len(rows)
    drawn = assign_sides([clusters[i] for i in seen], config.splits.test_timbres, config.seed, "timbre")
    for i, side in zip(seen, drawn, strict=True):
        sides[i] = side
    left_out = {clusters[i] for i in range(len(rows)) if sides[i] == "synth"}
    for i in seen:
        # Sounds like a timbre of the synth left out: in train it would leak, so it is tested on.
        if clusters[i] in left_out:
            sides[i] = "test"
    return [
        {"timbre": index, **row, "cluster": clusters[index], "side": sides[index], "generation": 0}
        for index, row in enumerate(rows)
    ]
