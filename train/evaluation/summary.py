"""From a table of scores to what is said of it: means with intervals, failures, and paired differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from manifests.dataset.layout import COMPRESSION
from train.evaluation.bootstrap import RESAMPLES, Resampler, holm
from train.evaluation.cases import CASES
from train.evaluation.effects import ROBUST
from train.evaluation.seeds import Pools
from train.evaluation.trial import BASELINES, Score, is_system
from train.metrics.catalogue import BY_NAME, HEADLINES

MEAN_OF_KINDS = "mean of kinds"
"""The pseudo-kind of the mean over the kinds of conversion, each counting the same."""

RECONSTRUCTION = "reconstruction"
"""No conversion: it has no part in the mean of kinds."""

F64 = npt.NDArray[np.float64]
Row = dict[str, Any]


def to_frame(scores: Sequence[Score]) -> pd.DataFrame:
    """The scores as a table, one row for each pair, method and metric."""
    return pd.DataFrame(list(scores), columns=list(Score._fields))


def scores_bytes(frame: pd.DataFrame) -> bytes:
    """The table of scores as the bytes of a Parquet file; equal scores give equal bytes."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), sink, compression=COMPRESSION)
    return bytes(sink.getvalue())


def summarise_scores(
    frame: pd.DataFrame, seed: int, resamples: int = RESAMPLES, pools: Pools | None = None
) -> dict[str, Any]:
    """Every split, kind, method and metric: `scores`, `differences` and, by hard case, `cases`.

    A score has a mean with its interval over the pairs that define it, and counts of those that `failed`
    (the method left it undefined) and were `excluded` (the target did). A difference is a system's score
    less another method's, pair by pair; `wins` is the share of pairs in which the system is better, a
    failure being worse than any score. `p` is from flipping the signs of whole clusters, adjusted by
    Holm's method over the comparisons of systems with each other on one metric. The mean over seeds is not
    compared with its own seeds.
    """
    methods = list(frame["method"].drop_duplicates())
    systems = [method for method in methods if is_system(method)]
    own = {(name, mean) for mean, seeds in (pools or {}).items() for name in seeds}
    against = [(system, other) for system in systems for other in BASELINES if other in methods]
    against += [pair for pair in combinations(systems, 2) if pair not in own]
    scores: list[Row] = []
    differences: list[Row] = []
    for split, part in frame.groupby("split", sort=False):
        kinds = list(part["kind"].drop_duplicates())
        conversions = [kind for kind in kinds if kind != RECONSTRUCTION]
        everything = [*conversions, MEAN_OF_KINDS] if len(conversions) > 1 else conversions
        for kind in [*(kind for kind in kinds if kind == RECONSTRUCTION), *everything]:
            rows = part[part["kind"].isin(conversions) if kind == MEAN_OF_KINDS else part["kind"] == kind]
            table = Wide(rows, seed, resamples)
            place = {"split": split, "kind": kind}
            scores += table.scores(place)
            differences += table.differences(place, against)
    return {"scores": scores, "differences": differences, "cases": _cases(frame, seed, resamples)}


def _cases(frame: pd.DataFrame, seed: int, resamples: int) -> list[Row]:
    """The headline metrics on the conversions of each hard case, all splits but robustness together."""
    conversions = frame[
        (frame["kind"] != RECONSTRUCTION)
        & ~frame["split"].str.startswith(ROBUST)
        & frame["metric"].isin(HEADLINES)
    ]
    named = conversions["cases"].str.split()
    everything = dict.fromkeys([*CASES, *sorted({name for names in named for name in names})])
    found: list[Row] = []
    for case in everything:
        rows = conversions[[case in names for names in named]]
        if len(rows):
            found += Wide(rows, seed, resamples).scores({"case": case})
    return found


class Wide:
    """Some rows of the table of scores, a row for each pair and a column for each metric and method."""

    def __init__(self, rows: pd.DataFrame, seed: int, resamples: int) -> None:
        index = ["split", "pair", "kind", "timbre_cluster", "phrase_cluster"]
        wide = rows.pivot(index=index, columns=["metric", "method"], values="value")
        clusters = wide.index.to_frame()
        self._seed = seed
        self._resampler = Resampler(
            clusters["timbre_cluster"], clusters["phrase_cluster"], seed, clusters["kind"], resamples
        )
        self._values = {column: wide[column].to_numpy(dtype=np.float64) for column in wide.columns}
        status = rows.groupby(["metric", "method", "status"], sort=False).size()
        self._status: dict[tuple[str, str, str], int] = {key: int(count) for key, count in status.items()}

    def scores(self, place: Row) -> list[Row]:
        """A row for each metric and method that has any score or failure."""
        columns = list(self._values)
        higher = [BY_NAME[metric].higher for metric, _ in columns]
        summaries = self._resampler.summarise(np.stack(list(self._values.values()), axis=1), higher)
        found = []
        for (metric, method), summary in zip(columns, summaries, strict=True):
            counts = {
                status: self._status.get((metric, method, status), 0) for status in ("failed", "excluded")
            }
            if summary is None and not counts["failed"]:
                continue
            values = asdict(summary) if summary else dict.fromkeys(("mean", "low", "high", "median", "worst"))
            count = summary.count if summary else 0
            found.append({**place, "metric": metric, "method": method, **values, "count": count, **counts})
        return found

    def differences(self, place: Row, against: Sequence[tuple[str, str]]) -> list[Row]:
        """A row for each metric and pair of methods that were both scored on some pair."""
        metrics = list(dict.fromkeys(metric for metric, _ in self._values))
        wanted = [
            (metric, system, other)
            for metric in metrics
            for system, other in against
            if (metric, system) in self._values and (metric, other) in self._values
        ]
        if not wanted:
            return []
        gaps = np.stack([self._values[m, s] - self._values[m, o] for m, s, o in wanted], axis=1)
        found = []
        summaries = self._resampler.summarise(gaps)
        ps = self._resampler.sign_flips(gaps, self._seed)
        for (metric, system, other), summary, p in zip(wanted, summaries, ps, strict=True):
            if summary is None:
                continue
            values = asdict(summary)
            del values["worst"]
            wins = self._wins(metric, system, other)
            found.append(
                {
                    **place,
                    "metric": metric,
                    "method": system,
                    "baseline": other,
                    **values,
                    "wins": wins,
                    "p": p,
                }
            )
        for metric in metrics:
            among = [row for row in found if row["metric"] == metric and row["baseline"] not in BASELINES]
            for row, p in zip(among, holm([row["p"] for row in among]), strict=True):
                row["p"] = p
        return found

    def _wins(self, metric: str, system: str, other: str) -> float:
        ours, theirs = self._values[metric, system], self._values[metric, other]
        counted = np.isfinite(ours) | np.isfinite(theirs)
        worst = -np.inf if BY_NAME[metric].higher else np.inf
        a, b = (np.where(np.isfinite(x), x, worst)[counted] for x in (ours, theirs))
        return float(np.mean(a > b if BY_NAME[metric].higher else a < b))


def find(rows: Sequence[Row], **where: str) -> Row | None:
    """The one row of a summary that has these values, or None."""
    return next((row for row in rows if all(row[key] == value for key, value in where.items())), None)


def kinds_of(summary: dict[str, Any], split: str) -> list[str]:
    """The kinds that a split was scored on, the mean of kinds last."""
    return list(dict.fromkeys(row["kind"] for row in summary["scores"] if row["split"] == split))


def splits_of(summary: dict[str, Any]) -> list[str]:
    """The splits that were scored, in the order they were."""
    return list(dict.fromkeys(row["split"] for row in summary["scores"]))


def methods_of(summary: dict[str, Any]) -> list[str]:
    """The methods that were scored, systems first."""
    return list(dict.fromkeys(row["method"] for row in summary["scores"]))


def systems_of(summary: dict[str, Any]) -> list[str]:
    """The methods that are none of ours."""
    return [method for method in methods_of(summary) if is_system(method)]
