"""The metrics: how far an estimate is from its target, one idea a file.

`spectral` is what training judges by (fast, NumPy only) and is what this package exports; `heard` puts
together all that a full evaluation hears of a sound, and `catalogue` lists every column there is. Each
metric's definition, source and traps are in docs/metrics.md.
"""

from train.metrics.spectral import (
    HEADLINES,
    METRICS,
    Metric,
    Sound,
    check_sound,
    describe,
    fit_length,
    frame_levels,
    magnitude,
    matching_gain,
    score,
)

__all__ = [
    "HEADLINES",
    "METRICS",
    "Metric",
    "Sound",
    "check_sound",
    "describe",
    "fit_length",
    "frame_levels",
    "magnitude",
    "matching_gain",
    "score",
]
