"""Means with intervals, where clips share timbres and phrases.

Two clips of one timbre are not two observations. So the clusters are resampled, not the rows: timbre
clusters and phrase clusters each with replacement, independently, and a row counts as often as its timbre
cluster was drawn times its phrase cluster was drawn (the pigeonhole bootstrap: Owen, "The pigeonhole
bootstrap", Annals of Applied Statistics 1(2), 2007). For crossed factors it errs on the wide side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from manifests.seeds import stream

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

RESAMPLES = 2000
COVERAGE = 0.95


@dataclass(frozen=True, slots=True)
class Summary:
    """Mean, its 95% interval (None where there is one cluster only), median, worst (highest), count."""

    mean: float
    low: float | None
    high: float | None
    median: float
    worst: float
    count: int


def _places(labels: npt.ArrayLike) -> I64:
    """Each label's number among the sorted distinct ones, int64 [rows]."""
    return np.unique(np.asarray(labels), return_inverse=True)[1].reshape(-1).astype(np.int64)


def _drawn(clusters: I64, resamples: int, seed: int, what: str) -> F64:
    """How often each row's cluster was drawn in each resample, [resamples, rows]."""
    count = int(clusters.max()) + 1
    picks = np.minimum((stream(seed, "bootstrap", what).random((resamples, count)) * count), count - 1)
    cells = picks.astype(np.int64) + np.arange(resamples, dtype=np.int64)[:, None] * count
    times = np.bincount(cells.reshape(-1), minlength=resamples * count).reshape(resamples, count)
    return times[:, clusters].astype(np.float64)


def mean_of_strata(values: F64, strata: I64, weights: F64) -> F64:
    """The mean over strata of the weighted mean within each: [resamples].

    `values` and `strata` (numbered from 0) are [rows], `weights` [resamples, rows]. A resample in which a
    stratum has no row left is nan.
    """
    one_hot = (strata[:, None] == np.arange(int(strata.max()) + 1)).astype(np.float64)
    totals = weights @ one_hot
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(((weights * values) @ one_hot / totals).mean(axis=1))


def summarise(
    values: npt.ArrayLike,
    timbre_clusters: npt.ArrayLike,
    phrase_clusters: npt.ArrayLike,
    seed: int,
    strata: npt.ArrayLike | None = None,
    resamples: int = RESAMPLES,
) -> Summary:
    """Mean with its interval, median and worst of `values` [rows], each row in two clusters.

    With `strata` (kinds, say) the mean is that of the strata's means, so that each counts the same however
    many rows it has. The interval holds the middle 95% of the resampled means; it is a function of values
    and seed alone. ValueError without rows or with a value that is not finite.
    """
    x = np.asarray(values, dtype=np.float64)
    if len(x) == 0 or not np.isfinite(x).all():
        raise ValueError("summarise: expected finite values, at least one")
    groups = _places(strata) if strata is not None else np.zeros(len(x), dtype=np.int64)
    timbres, phrases = _places(timbre_clusters), _places(phrase_clusters)
    mean = float(mean_of_strata(x, groups, np.ones((1, len(x))))[0])
    low = high = None
    if timbres.max() + phrases.max() > 0:
        weights = _drawn(timbres, resamples, seed, "timbre") * _drawn(phrases, resamples, seed, "phrase")
        means = mean_of_strata(x, groups, weights)
        means = means[np.isfinite(means)]
        if len(means) >= resamples // 2:
            tail = (1.0 - COVERAGE) / 2.0
            low, high = (float(q) for q in np.quantile(means, (tail, 1.0 - tail)))
    return Summary(mean, low, high, float(np.median(x)), float(x.max()), len(x))
