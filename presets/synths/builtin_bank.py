"""Reads the built-in synth's named presets, and draws random ones from a seed."""

from __future__ import annotations

from pathlib import Path

import yaml

from manifests.splits.seeds import stream
from manifests.types import InputError
from presets.synths.profile import Profile


def read_named_presets(path: Path, profile: Profile) -> dict[str, dict[str, float]]:
    """Reads the named presets in file order: name -> values that differ from the profile's defaults.

    Raises InputError if the file is no mapping, or a value is unknown or out of range.
    """
    loaded = yaml.safe_load(path.read_bytes())
    if not isinstance(loaded, dict):
        raise InputError(f"{path}: expected a mapping from preset names to parameters")
    for name, values in loaded.items():
        for parameter, value in values.items():
            low, high, _ = profile.parameters.get(parameter, (0.0, -1.0, 0.0))
            if not low <= float(value) <= high:
                raise InputError(
                    f"{path}: preset {name!r}: {parameter} = {value} is unknown or outside {low}..{high}"
                )
    return {str(name): {k: float(v) for k, v in values.items()} for name, values in loaded.items()}


def random_parameters(seed: int, index: int) -> dict[str, float]:
    """Draws the parameter values of random preset `index`; nearly all of them have a steady level.

    There is no detuning, because beating never settles. The filter's envelope settles within about a second.
    FM ratios are integers, so the sound has a pitch.

    Example::

        values = random_parameters(seed=0, index=7)
    """
    draws = stream(seed, "presets", "builtin", index).random(32)
    pick = iter(float(x) for x in draws)

    def within(low: float, high: float) -> float:
        return low + (high - low) * next(pick)

    def one_of(*values: float) -> float:
        return values[int(next(pick) * len(values))]

    fm = one_of(0.0, 0.0, 1.0)
    return {
        "octave": one_of(-1.0, 0.0, 0.0, 0.0, 1.0),
        "osc1_wave": within(0.0, 3.0) * (1.0 - fm),
        "osc1_width": within(0.06, 0.5),
        "osc2_wave": within(0.0, 3.0),
        "osc2_width": within(0.06, 0.5),
        "osc2_octave": one_of(-1.0, 0.0, 1.0, 2.0),
        "osc_mix": max(0.0, within(-0.4, 0.8)),
        "sub_level": max(0.0, within(-0.8, 0.6)),
        "noise_level": max(0.0, within(-0.6, 0.12)),
        "fm_ratio": one_of(1.0, 1.0, 2.0, 3.0, 4.0, 5.0, 7.0),
        "fm_index": fm * within(0.5, 5.0),
        "cutoff": 200.0 * 2.0 ** within(0.0, 6.2),
        "resonance": within(0.0, 0.75),
        "filter_mode": max(0.0, within(-2.0, 1.6)),
        "filter_slope": one_of(0.0, 1.0),
        "key_track": within(0.2, 1.0),
        "filter_env": max(0.0, within(-2.0, 3.0)),
        "filter_decay": within(0.02, 0.2),
        "filter_sustain": within(0.0, 0.6),
        "drive": max(0.0, within(-0.6, 1.0)),
    }
