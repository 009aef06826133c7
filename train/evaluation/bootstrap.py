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

from manifests.splits.seeds import stream

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

RESAMPLES = 2000
COVERAGE = 0.95
EXACT = 10
"""Up to so many clusters all combinations of signs are tried."""


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


class Resampler:
    """Rows in their clusters, resampled once, for any number of columns of values on those rows."""

    def __init__(
        self,
        timbre_clusters: npt.ArrayLike,
        phrase_clusters: npt.ArrayLike,
        seed: int,
        strata: npt.ArrayLike | None = None,
        resamples: int = RESAMPLES,
    ) -> None:
        """With `strata` [rows] (kinds, say) a mean is that of the strata's means: each counts the same."""
        self._timbres, self._phrases = _places(timbre_clusters), _places(phrase_clusters)
        rows = len(self._timbres)
        self._strata = _places(strata) if strata is not None else np.zeros(rows, dtype=np.int64)
        draws = [
            _drawn(self._timbres, resamples, seed, "timbre"),
            _drawn(self._phrases, resamples, seed, "phrase"),
        ]
        self._weights = draws[0] * draws[1]

    def _means(self, values: F64, weights: F64) -> F64:
        """The mean of strata's weighted means, [resamples, columns]; nan values do not count.

        nan where a stratum that has values is left without any.
        """
        there = np.isfinite(values)
        filled = np.where(there, values, 0.0)
        total = np.zeros((len(weights), values.shape[1]))
        count = np.zeros(values.shape[1])
        for stratum in range(int(self._strata.max()) + 1):
            rows = self._strata == stratum
            some = there[rows].any(axis=0)
            with np.errstate(invalid="ignore", divide="ignore"):
                mean = (weights[:, rows] @ filled[rows]) / (weights[:, rows] @ there[rows].astype(np.float64))
            total += np.where(some, mean, 0.0)
            count += some
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(total / count)

    def summarise(self, values: F64, higher: npt.ArrayLike = False) -> list[Summary | None]:
        """Each column of `values` [rows, columns], nan where a row has none; None for a column of nan.

        `higher` (one, or [columns]) says that more is better: the worst is then the lowest. An interval
        holds the middle 95% of the resampled means; it is a function of values and seed alone.
        """
        means = self._means(values, np.ones((1, len(values))))[0]
        resampled = self._means(values, self._weights)
        up = np.broadcast_to(np.asarray(higher, dtype=bool), (values.shape[1],))
        found: list[Summary | None] = []
        for column in range(values.shape[1]):
            there = np.isfinite(values[:, column])
            if not there.any():
                found.append(None)
                continue
            x, draws = values[there, column], resampled[:, column]
            draws = draws[np.isfinite(draws)]
            clusters = len(set(self._timbres[there])) + len(set(self._phrases[there]))
            low = high = None
            if clusters > 2 and 2 * len(draws) >= len(resampled):
                tail = (1.0 - COVERAGE) / 2.0
                low, high = (float(q) for q in np.quantile(draws, (tail, 1.0 - tail)))
            worst = float(x.min() if up[column] else x.max())
            found.append(Summary(float(means[column]), low, high, float(np.median(x)), worst, len(x)))
        return found

    def sign_flips(self, values: F64, seed: int) -> list[float | None]:
        """For paired differences [rows, columns]: p of a mean this far from 0 if its sign meant nothing.

        The signs of whole clusters are flipped: of timbres and of phrases in turn, and the larger p of
        the two counts. With few clusters every combination is tried, so that p says how little they can
        prove: 0.25 at best with three. None where a column has one cluster or none.
        """
        found: list[float | None] = []
        for column in range(values.shape[1]):
            there = np.isfinite(values[:, column])
            ps = []
            for clusters in (self._timbres, self._phrases):
                labels, place = np.unique(clusters[there], return_inverse=True)
                if len(labels) > 1:
                    x, strata = values[there, column], self._strata[there]
                    share = 1.0 / np.bincount(strata)[strata]
                    sums = np.bincount(place.reshape(-1), x * share)
                    ps.append(_flipped(np.asarray(sums, dtype=np.float64), seed))
            found.append(max(ps) if ps else None)
        return found


def _flipped(sums: F64, seed: int) -> float:
    """How often random signs of these sums give a total as far from 0 as their own signs do."""
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
) -> Summary:
    """Mean with its interval, median and worst (highest) of `values` [rows], each row in two clusters.

    ValueError without rows or with a value that is not finite.
    """
    x = np.asarray(values, dtype=np.float64)
    if len(x) == 0 or not np.isfinite(x).all():
        raise ValueError("summarise: expected finite values, at least one")
    found = Resampler(timbre_clusters, phrase_clusters, seed, strata, resamples).summarise(x[:, None])[0]
    assert found is not None
    return found


def holm(ps: list[float | None]) -> list[float | None]:
    """p-values adjusted for how many were looked at (Holm, 1979), None left as it is."""
    order = sorted((p, place) for place, p in enumerate(ps) if p is not None)
    adjusted: list[float | None] = list(ps)
    highest = 0.0
    for rank, (p, place) in enumerate(order):
        highest = max(highest, min(1.0, p * (len(order) - rank)))
        adjusted[place] = highest
    return adjusted
