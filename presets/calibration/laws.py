"""Fits the law of a parameter to measured points."""

from __future__ import annotations

import numpy as np

from presets.calibration.segments import SHORTEST_MS
from presets.synths.envelope_map import CubicLaw, LinearLaw, TableLaw

MAX_RELATIVE_ERROR = 0.03
"""A law whose relative error is at most this at every point replaces the table of points."""


def fit_law(points: tuple[tuple[float, float], ...], level: bool) -> LinearLaw | CubicLaw | TableLaw | None:
    """The simplest law through measured points: linear, cubic, else the rising ones among them as a table.

    None where the measurement hardly rises: the parameter does something else.
    """
    values, measured = np.array(points).T if points else (np.empty(0), np.empty(0))
    if len(points) < 3 or measured[-1] - measured[0] < (0.1 if level else SHORTEST_MS):
        return None
    judged = np.full(len(values), True) if level else measured >= SHORTEST_MS
    if np.sum(judged) >= 3:
        x, y = values[judged], measured[judged]
        weights = np.ones(len(y)) if level else 1.0 / y
        for kind, power in (("linear", 1), ("cubic", 3)):
            basis = np.stack([x**power, np.ones(len(x))], axis=1)
            (scale, offset), *_ = np.linalg.lstsq(basis * weights[:, None], y * weights, rcond=None)
            error = np.abs(basis @ np.array([scale, offset]) - y) * weights
            if scale > 0.0 and float(error.max()) <= MAX_RELATIVE_ERROR:
                law = {"scale": float(f"{scale:.6g}"), "offset": round(float(offset), 3)}
                return LinearLaw(kind="linear", **law) if kind == "linear" else CubicLaw(kind="cubic", **law)
    rising: list[tuple[float, float]] = []
    for value, what in points:
        if not rising or round(what, 4) > rising[-1][1]:
            rising.append((round(value, 6), round(what, 4)))
    if len(rising) < 3:
        return None
    return TableLaw(kind="table", points=tuple(rising), between="linear" if level else "cubic")
