"""Seeds: two trainings that differ in nothing but their seed, each scored, and their mean beside them.

What one seed gives may be luck; so a table of one seed says over itself that it holds no headline figure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from manifests.types import InputError
from train.checkpoint import read_metadata
from train.evaluation.trial import ESTIMATE, Score

Pools = Mapping[str, Mapping[str, int]]
"""Seeds of the checkpoints that are trainings of one config, by the name of their mean."""


def trainings(checkpoints: Mapping[str, Path]) -> list[dict[str, int]]:
    """The checkpoints by name with their seeds, together where config and dataset are the same."""
    found: dict[str, dict[str, int]] = {}
    for name, path in checkpoints.items():
        metadata = read_metadata(path)
        try:
            config = json.loads(metadata["config"])
            seed = int(config.pop("seed"))
        except (KeyError, ValueError, AttributeError):
            raise InputError(f"{path}: its metadata do not say by which config it was trained") from None
        what = json.dumps([config, metadata["fingerprint"]], sort_keys=True)
        found.setdefault(what, {})[name] = seed
    return list(found.values())


def pools_of(groups: Sequence[Mapping[str, int]]) -> Pools:
    """Each training that was made by two seeds or more, under the name of its mean."""
    return {f"mean of {', '.join(group)}": group for group in groups if _several(group)}


def heading_of(groups: Sequence[Mapping[str, int]]) -> str:
    """What stands over the scores where a training has one seed; empty where all have two."""
    lone = ["this system" if n == ESTIMATE else n for group in groups if not _several(group) for n in group]
    if not lone:
        return ""
    return (
        f"One seed ({', '.join(lone)}): no headline figures. Train again with another seed and nothing"
        " else changed, and give both checkpoints"
    )


def _several(group: Mapping[str, int]) -> bool:
    return len(group) > 1 and len(set(group.values())) == len(group)


def with_means(rows: Sequence[Score], pools: Pools) -> list[Score]:
    """The scores, with each mean's behind those of its seeds, pair by pair.

    Where a seed fails, so does the mean; what the target leaves undefined stays excluded.
    """
    found: list[Score] = []
    for _, trial in groupby(rows, key=lambda row: (row.split, row.kind, row.pair)):
        methods: dict[str, list[Score]] = {}
        for row in trial:
            methods.setdefault(row.method, []).append(row)
        for name, scores in methods.items():
            found += scores
            for mean, seeds in pools.items():
                if name == list(seeds)[-1]:
                    found += _mean(mean, [methods[seed] for seed in seeds])
    return found


def _mean(name: str, seeds: Sequence[Sequence[Score]]) -> list[Score]:
    return [
        row._replace(
            method=name,
            value=sum(other.value for other in others) / len(others),
            status=next((other.status for other in others if other.status != "scored"), "scored"),
        )
        for row, *more in zip(*seeds, strict=True)
        for others in [[row, *more]]
    ]
