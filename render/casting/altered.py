"""Chooses the presets whose timbres are altered, and draws their recipes from the dataset's seed.

A preset becomes one timbre, plain or altered, and so do presets with equal audio: an altered timbre and its
original cannot lie on two sides of a split.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from manifests.splits.seeds import derive, stream, uniform
from manifests.synthesis.recipe import draw_recipe
from manifests.synthesis.recipe_parameters import KEY_BITS, PREFIX, is_altered
from presets.host.client import GroupFailure
from presets.synths.preset import Preset
from presets.synths.synth import Synth
from presets.tones.tone_set import ToneSet
from render.tones import ToneSetCache

ATTEMPTS = 4
"""Recipes drawn for a timbre until its tones keep their pitch."""


def is_chosen(seed: int, share: float, synth: Synth, preset: Preset) -> bool:
    """Returns whether a preset's timbre is altered; `share` is the share of those that are."""
    return uniform(seed, 0.0, 1.0, "altered", synth.name, preset.address) < share


def alter(
    tone_sets: ToneSetCache, seed: int, synth: Synth, preset: Preset, plain: ToneSet
) -> tuple[Preset, ToneSet]:
    """Draws a preset's recipe and alters its `plain` tones; returns the preset with it, and the tones.

    A recipe is drawn again if the tones lose their pitch by it, where the config asks for one. Raises
    GroupFailure if `ATTEMPTS` recipes fail.
    """
    key = _key(seed, plain.sha256)
    for attempt in range(ATTEMPTS):
        draws = stream(seed, "recipe", synth.name, preset.address, attempt)
        recipe = draw_recipe(draws, (), key, plain.octave)
        altered = replace(preset, name=f"{preset.name}, altered", recipe=recipe)
        try:
            return altered, tone_sets.get(synth, altered)
        except GroupFailure as failure:
            last = failure
    raise last


def original_key(seed: int, row: Mapping[str, Any]) -> int:
    """Returns a number that timbres share if their plain tones are equal, altered or not.

    `row` is one of timbres.parquet, with `parameters` as a dict. The number is also the recipe's key.
    """
    parameters = row["parameters"]
    return int(parameters[f"{PREFIX}key"]) if is_altered(parameters) else _key(seed, row["tones_sha256"])


def _key(seed: int, tones_sha256: str) -> int:
    return derive(seed, "recipe", tones_sha256) >> (128 - KEY_BITS)
