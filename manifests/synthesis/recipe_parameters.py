"""Writes a recipe as named numbers among a timbre's `parameters`, and reads it back exactly.

Each name begins with `altered.`, and what a recipe leaves out has none. So a timbre's row states all that its
sound was made of, whatever the ranges that later versions draw from.

    altered.key              key of the random streams; below 2^52, so that a float64 holds it exactly
    altered.octave           octaves up or down
    altered.formant          shift of the spectral envelope in semitones
    altered.semitones        from the written to the sounding pitch
    altered.cents_1 ...      detuning of each unison voice in cents
    altered.equaliser_60 ... gain of each band in dB, by its frequency in Hz
    altered.drive_db, altered.noise_db
    altered.zone_width, altered.zone_offset                                in semitones
    altered.ring, altered.ring_ratio, altered.level_db, altered.decay_s, altered.ratio_1 ...
                             inharmonic partials; without `decay_s` they last
    altered.vibrato.depth, altered.vibrato.rate_hz, altered.vibrato.corner_hz
                             what moves within notes; `vibrato` stands for its kind
    altered.breath_db, altered.breath_hz
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from manifests.synthesis.recipe import BANDS_HZ, MOTIONS, Inharmonic, Motion, Recipe

PREFIX = "altered."
KEY_BITS = 52
"""Bits of a key that a number of a table holds exactly."""


def is_altered(parameters: Mapping[str, float]) -> bool:
    """Returns whether a timbre's parameters hold a recipe.

    >>> is_altered({"cutoff": 800.0}), is_altered({"cutoff": 800.0, "altered.key": 7.0})
    (False, True)
    """
    return f"{PREFIX}key" in parameters


def to_parameters(recipe: Recipe) -> dict[str, float]:
    """Writes a recipe as numbers by name; raises ValueError for one with a second layer, which is an id.

    >>> to_parameters(Recipe(None, 0.5, (-8.0, 4.0), (), 12.0, None, 7, zone=(3, 1)))["altered.cents_1"]
    -8.0
    """
    if recipe.layer is not None or recipe.key >> KEY_BITS:
        raise ValueError("recipe to write: expected no second layer, and a key below 2^52")
    flat: dict[str, float | None] = {
        "key": recipe.key,
        "octave": recipe.octave or None,
        "formant": recipe.formant or None,
        "semitones": recipe.semitones or None,
        "drive_db": recipe.drive_db,
        "noise_db": recipe.noise_db,
        **{f"cents_{place}": value for place, value in enumerate(recipe.cents, start=1)},
    }
    if recipe.equaliser_db:
        flat |= {f"equaliser_{hz:.0f}": db for hz, db in zip(BANDS_HZ, recipe.equaliser_db, strict=True)}
    if recipe.zone is not None:
        flat |= {"zone_width": recipe.zone[0], "zone_offset": recipe.zone[1]}
    if (how := recipe.inharmonic) is not None:
        flat |= {"ring": how.ring, "ring_ratio": how.ring_ratio, "level_db": how.level_db}
        flat |= {"decay_s": how.decay_s if math.isfinite(how.decay_s) else None}
        flat |= {f"ratio_{place}": ratio for place, ratio in enumerate(how.ratios, start=1)}
    if recipe.motion is not None:
        kind, *numbers = recipe.motion
        flat |= {f"{kind}.{name}": value for name, value in zip(Motion._fields[1:], numbers, strict=True)}
    if recipe.breath is not None:
        flat |= {"breath_db": recipe.breath[0], "breath_hz": recipe.breath[1]}
    return {f"{PREFIX}{name}": float(value) for name, value in flat.items() if value is not None}


def split_parameters(parameters: Mapping[str, float]) -> tuple[dict[str, float], Recipe | None]:
    """Splits a timbre's parameters into those of its synth and its recipe, if it is altered.

    >>> split_parameters({"cutoff": 800.0, "altered.key": 7.0, "altered.drive_db": 6.0})[1].drive_db
    6.0
    """
    plugins = {name: value for name, value in parameters.items() if not name.startswith(PREFIX)}
    if not is_altered(parameters):
        return plugins, None
    flat = {name.removeprefix(PREFIX): value for name, value in parameters.items() if name not in plugins}

    def numbered(name: str) -> tuple[float, ...]:
        count = sum(key.startswith(f"{name}_") and key[len(name) + 1 :].isdigit() for key in flat)
        return tuple(flat[f"{name}_{place}"] for place in range(1, count + 1))

    inharmonic = motion = None
    if "ring" in flat:
        numbers = flat["ring"], flat["ring_ratio"], flat["level_db"]
        inharmonic = Inharmonic(*numbers, numbered("ratio"), flat.get("decay_s", math.inf))
    for kind, *_ in MOTIONS:
        if f"{kind}.depth" in flat:
            motion = Motion(kind, *(flat[f"{kind}.{name}"] for name in Motion._fields[1:]))
    return plugins, Recipe(
        layer=None,
        share=0.0,
        cents=numbered("cents"),
        equaliser_db=tuple(flat[f"equaliser_{hz:.0f}"] for hz in BANDS_HZ if f"equaliser_{hz:.0f}" in flat),
        drive_db=flat.get("drive_db"),
        noise_db=flat.get("noise_db"),
        key=int(flat["key"]),
        octave=int(flat.get("octave", 0)),
        formant=int(flat.get("formant", 0)),
        zone=(int(flat["zone_width"]), int(flat["zone_offset"])) if "zone_width" in flat else None,
        inharmonic=inharmonic,
        motion=motion,
        breath=(flat["breath_db"], flat["breath_hz"]) if "breath_db" in flat else None,
        semitones=int(flat.get("semitones", 0)),
    )
