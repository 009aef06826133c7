"""Fits a law from a parameter's value to ms, or to a level, through measured points."""

from __future__ import annotations

import numpy as np

from presets.synths.envelope_map import CubicLaw, LinearLaw, TableLaw

MAX_RELATIVE_ERROR, MAX_ERROR_MS = 0.05, 1.0
"""A law replaces the table of points if it is off by at most this share, or so many ms, at every point."""
SHORTEST_MS = 2.0
"""Points that rise by less in all show no law."""


def fit_law(points: tuple[tuple[float, float], ...], level: bool) -> LinearLaw | CubicLaw | TableLaw | None:
    """Fits the simplest law through (value, ms) points: linear, then cubic, else a table of the points.

    `points` are sorted by value. With `level` they are (value, sustain level 0..1). Linear and cubic laws are
    fitted by least squares of the relative error (of the absolute error for levels). The table keeps the
    points that rise. Returns None if the points hardly rise: the parameter does something else.

    Example::

        law = fit_law(((0.0, 0.0), (0.5, 500.0), (1.0, 1000.0)), level=False)
    """
    values, measured = np.array(points).T if points else (np.empty(0), np.empty(0))
    if len(points) < 3 or measured[-1] - measured[0] < (0.1 if level else SHORTEST_MS):
        return None
    if len(values) >= 3:
        x, y = values, measured
        # An error counts by how much of what is allowed it takes.
        weights = (
            np.ones(len(y))
            if level
            else MAX_RELATIVE_ERROR / np.maximum(MAX_RELATIVE_ERROR * y, MAX_ERROR_MS)
        )
        for kind, power in (("linear", 1), ("cubic", 3)):
            basis = np.stack([x**power, np.ones(len(x))], axis=1)
            (scale, offset), *_ = np.linalg.lstsq(basis * weights[:, None], y * weights, rcond=None)
            error = np.abs(basis @ np.array([scale, offset]) - y) * weights
            if scale > 0.0 and float(error.max()) <= MAX_RELATIVE_ERROR:
                law = {"scale": float(f"{scale:.6g}"), "offset": round(float(offset), 3)}
                return LinearLaw(kind="linear", **law) if kind == "linear" else CubicLaw(kind="cubic", **law)
    rising: list[tuple[float, float]] = []
    for value, result in points:
        if not rising or round(result, 4) > rising[-1][1]:
            rising.append((round(value, 6), round(result, 4)))
    if len(rising) < 3:
        return None
    return TableLaw(kind="table", points=tuple(rising), between="linear" if level else "cubic")
