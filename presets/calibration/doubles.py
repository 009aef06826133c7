"""Finds which of several parameters of one name is the amplitude envelope's, by measuring."""

from __future__ import annotations

import numpy as np

from presets.analysis.levels import frame_levels_db
from presets.calibration.measure_plugin import RATE, PluginBench

FLOOR_DB = -60.0


def doubled_keys(bench: PluginBench) -> dict[str, list[str]]:
    """Maps each name that several parameters have to their keys.

    Example: `doubled_keys(bench)` is {"Attack": ["Attack", "Attack#2"]}.
    """
    keys: dict[str, list[str]] = {}
    for parameter in bench.calibration.parameters:
        keys.setdefault(parameter.called, []).append(parameter.name)
    return {name: of for name, of in keys.items() if len(of) > 1}


def amplitude_parameter(bench: PluginBench, key: str) -> str:
    """Returns which parameter of the name `key` changes the level most; `key` if it is the only one.

    Each is moved from 0 to 0.5 and to 1 while a note is held and released. Raises what `SnapshotHost.render`
    raises.

    Example: `amplitude_parameter(bench, "Attack")` is "Attack#2".
    """
    candidates = doubled_keys(bench).get(key, [])
    if len(candidates) < 2:
        return key
    changes = []
    with bench.host() as host:
        for candidate in candidates:
            levels = [
                np.maximum(
                    frame_levels_db(host.render(bench.job({candidate: value}, 0.5, 1.0)).mean(axis=0), RATE),
                    FLOOR_DB,
                )
                for value in (0.0, 0.5, 1.0)
            ]
            changes.append(float(np.mean(np.abs(levels[1] - levels[0]) + np.abs(levels[2] - levels[0]))))
    return candidates[int(np.argmax(changes))]
