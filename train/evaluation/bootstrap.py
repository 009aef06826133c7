"""Pigeonhole bootstrap: means with intervals for rows that share timbres and phrases.

Two clips of one timbre are not independent. Clusters are resampled instead of rows: timbre clusters and
phrase clusters, each with replacement and independently. The weight of a row is how often its timbre cluster
was drawn, times how often its phrase cluster was. For crossed factors the intervals err on the wide side.

A. B. Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1(2), 2007.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from manifests.splits.seeds import stream

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

RESAMPLES = 2000
COVERAGE = 0.95
"""Share of the resampled means that an interval holds."""
EXACT = 10
"""Up to this many clusters, sign-flip tests try all combinations of signs."""


@dataclass(frozen=True, slots=True)
class SummaryStatistics:
    """Mean, its 95% interval (None where there is one cluster only), median, worst value, number of rows."""

    mean: float
    low: float | None
    high: float | None
    median: float
    worst: float
    count: int


def _places(labels: npt.ArrayLike) -> I64:
    """Numbers labels [rows] by their place among the sorted distinct ones, int64 [rows]."""
    return np.unique(np.asarray(labels), return_inverse=True)[1].reshape(-1).astype(np.int64)


def _drawn(clusters: I64, resamples: int, seed: int, what: str) -> F64:
    """Counts how often the cluster of each row is drawn in each resample, float64 [resamples, rows]."""
    count = int(clusters.max()) + 1
    picks = np.minimum((stream(seed, "bootstrap", what).random((resamples, count)) * count), count - 1)
    cells = picks.astype(np.int64) + np.arange(resamples, dtype=np.int64)[:, None] * count
    times = np.bincount(cells.reshape(-1), minlength=resamples * count).reshape(resamples, count)
    return times[:, clusters].astype(np.float64)


class ClusterBootstrap:
    """Resamples of rows by their clusters, for any number of columns of values on those rows.

    Args:
        timbre_clusters: Label of each row's timbre cluster, [rows].
        phrase_clusters: Label of each row's phrase cluster, [rows].
        seed: Seed of the resamples.
        strata: Label of each row's stratum, [rows], such as its kind. A mean is then that of the strata's
            means: each has the same weight.
        resamples: Number of resamples.

    Example:
        >>> ClusterBootstrap(["a", "a", "b"], ["x", "y", "y"], seed=0).summarise(values[:, None])
    """

    def __init__(
        self,
        timbre_clusters: npt.ArrayLike,
        phrase_clusters: npt.ArrayLike,
        seed: int,
        strata: npt.ArrayLike | None = None,
        resamples: int = RESAMPLES,
    ) -> None:
        self._timbres, self._phrases = _places(timbre_clusters), _places(phrase_clusters)
        rows = len(self._timbres)
        self._strata = _places(strata) if strata is not None else np.zeros(rows, dtype=np.int64)
        draws = [
            _drawn(self._timbres, resamples, seed, "timbre"),
            _drawn(self._phrases, resamples, seed, "phrase"),
        ]
        self._weights = draws[0] * draws[1]

    def _means(self, values: F64, weights: F64) -> F64:
        """Computes the mean over strata of their weighted means; nan values do not count.

        Args:
            values: [rows, columns].
            weights: [resamples, rows].

        Returns:
            [resamples, columns]; nan where a stratum that has values has no weight.
        """
        present = np.isfinite(values)
        filled = np.where(present, values, 0.0)
        total = np.zeros((len(weights), values.shape[1]))
        count = np.zeros(values.shape[1])
        for stratum in range(int(self._strata.max()) + 1):
            rows = self._strata == stratum
            some = present[rows].any(axis=0)
            with np.errstate(invalid="ignore", divide="ignore"):
                mean = (weights[:, rows] @ filled[rows]) / (
                    weights[:, rows] @ present[rows].astype(np.float64)
                )
            total += np.where(some, mean, 0.0)
            count += some
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(total / count)

    def summarise(self, values: F64, higher: npt.ArrayLike = False) -> list[SummaryStatistics | None]:
        """Summarises columns of values. An interval holds the middle 95% of the resampled means.

        Args:
            values: [rows, columns], nan where a row has no value.
            higher: Whether more is better, one or [columns]: the worst value is then the lowest.

        Returns:
            A summary for each column; None for a column of nan.
        """
        means = self._means(values, np.ones((1, len(values))))[0]
        resampled = self._means(values, self._weights)
        up = np.broadcast_to(np.asarray(higher, dtype=bool), (values.shape[1],))
        summaries: list[SummaryStatistics | None] = []
        for column in range(values.shape[1]):
            present = np.isfinite(values[:, column])
            if not present.any():
                summaries.append(None)
                continue
            x, draws = values[present, column], resampled[:, column]
            draws = draws[np.isfinite(draws)]
            clusters = len(set(self._timbres[present])) + len(set(self._phrases[present]))
            low = high = None
            if clusters > 2 and 2 * len(draws) >= len(resampled):
                tail = (1.0 - COVERAGE) / 2.0
                low, high = (float(q) for q in np.quantile(draws, (tail, 1.0 - tail)))
            worst = float(x.min() if up[column] else x.max())
            summaries.append(
                SummaryStatistics(float(means[column]), low, high, float(np.median(x)), worst, len(x))
            )
        return summaries

    def sign_flip_p_values(self, values: F64, seed: int) -> list[float | None]:
        """Tests whether the mean of paired differences is 0, by flipping the signs of whole clusters.

        Timbre clusters and phrase clusters are flipped in turn, and the larger p is returned. With few
        clusters every combination of signs is tried: with three, p is 0.25 at best.

        Args:
            values: Differences, [rows, columns], nan where a row has none.
            seed: Seed of random signs.

        Returns:
            Two-sided p of each column; None where a column has fewer than two clusters.
        """
        p_values: list[float | None] = []
        for column in range(values.shape[1]):
            present = np.isfinite(values[:, column])
            ps = []
            for clusters in (self._timbres, self._phrases):
                labels, place = np.unique(clusters[present], return_inverse=True)
                if len(labels) > 1:
                    x, strata = values[present, column], self._strata[present]
                    share = 1.0 / np.bincount(strata)[strata]
                    sums = np.bincount(place.reshape(-1), x * share)
                    ps.append(_sign_flip_p(np.asarray(sums, dtype=np.float64), seed))
            p_values.append(max(ps) if ps else None)
        return p_values


def _sign_flip_p(sums: F64, seed: int) -> float:
    """Returns the share of random signs of sums [clusters] whose total is as far from 0 as theirs."""
    count = len(sums)
    if count <= EXACT:
        bits = np.arange(1 << count)[:, None] >> np.arange(count)
        signs = 1.0 - 2.0 * (bits & 1)
    else:
        draws = stream(seed, "sign flips").random((RESAMPLES, count))
        signs = np.concatenate([np.ones((1, count)), np.where(draws < 0.5, -1.0, 1.0)])
    totals = np.abs(signs @ sums)
    return float(np.mean(totals >= abs(float(sums.sum())) - 1e-12))


def summarise(
    values: npt.ArrayLike,
    timbre_clusters: npt.ArrayLike,
    phrase_clusters: npt.ArrayLike,
    seed: int,
    strata: npt.ArrayLike | None = None,
    resamples: int = RESAMPLES,
) -> SummaryStatistics:
    """Summarises values [rows]; the worst is the highest. Other arguments are those of `ClusterBootstrap`.

    Raises:
        ValueError: If there is no row, or a value is not finite.
    """
    x = np.asarray(values, dtype=np.float64)
    if len(x) == 0 or not np.isfinite(x).all():
        raise ValueError("summarise: expected finite values, at least one")
    summary = ClusterBootstrap(timbre_clusters, phrase_clusters, seed, strata, resamples).summarise(
        x[:, None]
    )[0]
    assert summary is not None
    return summary


def adjust_holm(ps: list[float | None]) -> list[float | None]:
    """Adjust p-values for multiple comparisons by Holm's step-down method; None stays None.

    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics
    6(2), 1979.

    Example:
        >>> adjust_holm([0.01, None, 0.04])
        [0.02, None, 0.04]
    """
    order = sorted((p, place) for place, p in enumerate(ps) if p is not None)
    adjusted: list[float | None] = list(ps)
    highest = 0.0
    for rank, (p, place) in enumerate(order):
        highest = max(highest, min(1.0, p * (len(order) - rank)))
        adjusted[place] = highest
    return adjusted
