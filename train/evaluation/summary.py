"""Summary of a table of scores: means with intervals, failures, and paired differences."""

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
from train.evaluation.bootstrap import RESAMPLES, ClusterBootstrap, adjust_holm
from train.evaluation.cases import CASES
from train.evaluation.effects import ROBUST
from train.evaluation.seeds import SeedGroups
from train.evaluation.targets import average_by_target
from train.evaluation.trial import BASELINES, Score, is_system
from train.metrics.catalogue import BY_NAME, HEADLINES

MEAN_OF_KINDS = "mean of kinds"
"""Name of the mean over the kinds of conversion, each with the same weight."""

RECONSTRUCTION = "reconstruction"
"""A kind that is not a conversion, and not part of the mean of kinds."""

F64 = npt.NDArray[np.float64]
Row = dict[str, Any]


def to_frame(scores: Sequence[Score]) -> pd.DataFrame:
    """Makes a DataFrame of scores: a row for each pair, method and metric."""
    return pd.DataFrame(list(scores), columns=list(Score._fields))


def scores_parquet(frame: pd.DataFrame) -> bytes:
    """Encodes the table of scores as Parquet; equal scores give equal bytes."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), sink, compression=COMPRESSION)
    return bytes(sink.getvalue())


def summarise_scores(
    frame: pd.DataFrame, seed: int, resamples: int = RESAMPLES, pools: SeedGroups | None = None
) -> dict[str, Any]:
    """Summarises scores by split, kind, method and metric.

    Given pairs with one target are averaged first (`average_by_target`) and count as one pair.

    A score has a mean with its interval over the pairs that define it. It counts the pairs that `failed`
    (the method left the metric undefined) and that were `excluded` (the target did). A difference is a
    system's score less another method's, pair by pair. `wins` is the share of pairs in which the system is
    better; a failure is worse than any score. `p` is that of a sign-flip test over clusters
    (`ClusterBootstrap.sign_flip_p_values`), adjusted by Holm's method over the comparisons between systems
    on one metric. The mean over seeds is not compared with its own seeds.

    Args:
        frame: The table of scores (`to_frame`).
        seed: Seed of the intervals.
        resamples: Number of resamples.
        pools: Means over seeds among the methods.

    Returns:
        `scores`, `differences` and, by hard case, `cases`: rows of JSON values.
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
            table = ScoreMatrix(rows, seed, resamples)
            place = {"split": split, "kind": kind}
            scores += table.scores(place)
            differences += table.differences(place, against)
    return {"scores": scores, "differences": differences, "cases": _cases(frame, seed, resamples)}


def _cases(frame: pd.DataFrame, seed: int, resamples: int) -> list[Row]:
    """Summarises the headline metrics by hard case, over the conversions of all splits but robustness."""
    conversions = frame[
        (frame["kind"] != RECONSTRUCTION)
        & ~frame["split"].str.startswith(ROBUST)
        & frame["metric"].isin(HEADLINES)
    ]
    named = conversions["cases"].str.split()
    cases = dict.fromkeys([*CASES, *sorted({name for names in named for name in names})])
    summaries: list[Row] = []
    for case in cases:
        rows = conversions[[case in names for names in named]]
        if len(rows):
            summaries += ScoreMatrix(rows, seed, resamples).scores({"case": case})
    return summaries


class ScoreMatrix:
    """Scores with a row for each pair (given pairs: for each target) and a column for each metric and method.

    Args:
        rows: Rows of the table of scores, of one split and kind, or one hard case.
        seed: Seed of the intervals.
        resamples: Number of resamples.
    """

    def __init__(self, rows: pd.DataFrame, seed: int, resamples: int) -> None:
        index = ["split", "pair", "kind", "timbre_cluster", "phrase_cluster"]
        rows = average_by_target(rows)
        wide = rows.pivot(index=index, columns=["metric", "method"], values="value")
        clusters = wide.index.to_frame()
        self._seed = seed
        self._resampler = ClusterBootstrap(
            clusters["timbre_cluster"], clusters["phrase_cluster"], seed, clusters["kind"], resamples
        )
        self._values = {column: wide[column].to_numpy(dtype=np.float64) for column in wide.columns}
        status = rows.groupby(["metric", "method", "status"], sort=False).size()
        self._status: dict[tuple[str, str, str], int] = {key: int(count) for key, count in status.items()}

    def scores(self, place: Row) -> list[Row]:
        """Summarises each metric and method that has a score or a failure; `place` opens every row."""
        columns = list(self._values)
        higher = [BY_NAME[metric].higher for metric, _ in columns]
        summaries = self._resampler.summarise(np.stack(list(self._values.values()), axis=1), higher)
        result = []
        for (metric, method), summary in zip(columns, summaries, strict=True):
            counts = {
                status: self._status.get((metric, method, status), 0) for status in ("failed", "excluded")
            }
            if summary is None and not counts["failed"]:
                continue
            values = asdict(summary) if summary else dict.fromkeys(("mean", "low", "high", "median", "worst"))
            count = summary.count if summary else 0
            result.append({**place, "metric": metric, "method": method, **values, "count": count, **counts})
        return result

    def differences(self, place: Row, against: Sequence[tuple[str, str]]) -> list[Row]:
        """Summarises the differences of pairs of methods on each metric; `place` opens every row."""
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
        result = []
        summaries = self._resampler.summarise(gaps)
        ps = self._resampler.sign_flip_p_values(gaps, self._seed)
        for (metric, system, other), summary, p in zip(wanted, summaries, ps, strict=True):
            if summary is None:
                continue
            values = asdict(summary)
            del values["worst"]
            wins = self._wins(metric, system, other)
            result.append(
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
            among = [row for row in result if row["metric"] == metric and row["baseline"] not in BASELINES]
            for row, p in zip(among, adjust_holm([row["p"] for row in among]), strict=True):
                row["p"] = p
        return result

    def _wins(self, metric: str, system: str, other: str) -> float:
        ours, theirs = self._values[metric, system], self._values[metric, other]
        counted = np.isfinite(ours) | np.isfinite(theirs)
        worst = -np.inf if BY_NAME[metric].higher else np.inf
        a, b = (np.where(np.isfinite(x), x, worst)[counted] for x in (ours, theirs))
        return float(np.mean(a > b if BY_NAME[metric].higher else a < b))


def find_row(rows: Sequence[Row], **where: str) -> Row | None:
    """Returns the first row of a summary that has these values, or None."""
    return next((row for row in rows if all(row[key] == value for key, value in where.items())), None)


def kinds_of(summary: dict[str, Any], split: str) -> list[str]:
    """Returns the kinds that a split was scored on, the mean of kinds last."""
    return list(dict.fromkeys(row["kind"] for row in summary["scores"] if row["split"] == split))


def splits_of(summary: dict[str, Any]) -> list[str]:
    """Returns the splits that were scored, in their order."""
    return list(dict.fromkeys(row["split"] for row in summary["scores"]))


def methods_of(summary: dict[str, Any]) -> list[str]:
    """Returns the methods that were scored, systems first."""
    return list(dict.fromkeys(row["method"] for row in summary["scores"]))


def systems_of(summary: dict[str, Any]) -> list[str]:
    """Returns the systems that were scored."""
    return [method for method in methods_of(summary) if is_system(method)]
