"""Given pairs with one target count as one: their scores are averaged before anything is summarised.

Published sets often convert to one target from several sources. Such pairs are no independent samples.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

UNIT = ["split", "kind", "unit"]


def average_by_target(rows: pd.DataFrame) -> pd.DataFrame:
    """Averages the scores of given pairs with one target, for each split, kind, method and metric.

    A mean fails where one of its pairs fails. The pairs of a target take the name and the phrase cluster of
    its first pair. Timbre clusters that one target joins become one. Pairs without a `target_id`, those of a
    dataset, stay as they are.

    Args:
        rows: Rows of the table of scores (`train.evaluation.summary.to_frame`).

    Returns:
        A row for each target, method and metric, in the order of their first rows.

    Example:
        >>> average_by_target(frame)["target_id"].nunique()
    """
    given = rows["target_id"] != ""
    if not given.any():
        return rows
    rows = rows.assign(unit=rows["target_id"].where(given, rows["pair"]))
    rows["timbre_cluster"] = rows["timbre_cluster"].map(_joined_timbres(rows))
    for column in ("pair", "phrase_cluster"):
        rows[column] = rows.groupby(UNIT, sort=False)[column].transform("first")
    groups = rows.groupby([*UNIT, "method", "metric"], sort=False)
    means = groups.first().reset_index()
    means["value"] = groups["value"].mean(skipna=False).to_numpy()
    means["status"] = groups["status"].agg(_joined_status).to_numpy()
    return means[[column for column in rows.columns if column != "unit"]]


def _joined_status(statuses: pd.Series) -> str:
    """Returns "scored" if all are, else the first that is not."""
    return str(next((status for status in statuses if status != "scored"), "scored"))


def _joined_timbres(rows: pd.DataFrame) -> dict[str, str]:
    """Returns the cluster of each timbre: timbres of one target, directly or by way of others, share one."""
    cluster: dict[str, str] = {timbre: timbre for timbre in rows["timbre_cluster"]}
    for _, timbres in rows.groupby("unit", sort=False)["timbre_cluster"]:
        joined = {cluster[timbre] for timbre in timbres}
        if len(joined) > 1:
            least = min(joined)
            cluster = {timbre: least if own in joined else own for timbre, own in cluster.items()}
    return cluster


def count_targets(frame: pd.DataFrame) -> dict[str, int]:
    """Counts given pairs and their distinct targets, for the summary; empty for the pairs of a dataset."""
    given = frame[frame["target_id"] != ""]
    if given.empty:
        return {}
    return {
        "pairs": len(given[["split", "kind", "pair"]].drop_duplicates()),
        "targets": int(given["target_id"].nunique()),
    }


def targets_sentence(summary: dict[str, Any]) -> str:
    """States the number of distinct targets of a summary of given pairs; empty for a dataset."""
    if "targets" not in summary:
        return ""
    return (
        f"{summary['pairs']} pairs with {summary['targets']} distinct targets:"
        " pairs with one target are averaged and count as one"
    )
