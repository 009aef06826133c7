"""Metrics: how far an estimate is from its target, one metric a file.

`spectral` needs NumPy alone. Training validates with it, and this package exports it. `measurement` computes
all metrics of a full evaluation, and `catalogue` lists every column. docs/metrics.md gives each metric's
definition, source and limits.
"""

from train.metrics.spectral import (
    HEADLINES,
    METRICS,
    Metric,
    SpectralFeatures,
    check_sound,
    fit_length,
    frame_levels,
    magnitude,
    matching_gain,
    score,
    spectral_features,
)

__all__ = [
    "HEADLINES",
    "METRICS",
    "Metric",
    "SpectralFeatures",
    "check_sound",
    "fit_length",
    "frame_levels",
    "magnitude",
    "matching_gain",
    "score",
    "spectral_features",
]
