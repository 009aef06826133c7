"""Means over seeds: checkpoints that differ in nothing but their seed are scored, and so is their mean.

The result of one seed may be luck. A table of one seed therefore says so in its heading.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

from manifests.types import InputError
from train.checkpoint import read_metadata
from train.evaluation.trial import ESTIMATE, Score

SeedGroups = Mapping[str, Mapping[str, int]]
"""By the name of each mean, the seeds of the checkpoints that it averages, by their names."""


def group_by_training(checkpoints: Mapping[str, Path]) -> list[dict[str, int]]:
    """Groups checkpoints with the same config and dataset; each group holds seeds by name.

    Raises:
        InputError: If a checkpoint cannot be read, or does not state its config.
    """
    groups: dict[str, dict[str, int]] = {}
    for name, path in checkpoints.items():
        metadata = read_metadata(path)
        try:
            config = json.loads(metadata["config"])
            seed = int(config.pop("seed"))
        except (KeyError, ValueError, AttributeError):
            raise InputError(f"{path}: its metadata do not state its training config") from None
        training = json.dumps([config, metadata["fingerprint"]], sort_keys=True)
        groups.setdefault(training, {})[name] = seed
    return list(groups.values())


def seed_groups(groups: Sequence[Mapping[str, int]]) -> SeedGroups:
    """Returns the groups of two different seeds or more, under the names of their means."""
    return {f"mean of {', '.join(group)}": group for group in groups if _several(group)}


def one_seed_heading(groups: Sequence[Mapping[str, int]]) -> str:
    """Returns the heading of scores where a training has one seed; empty if all have two."""
    lone = ["this system" if n == ESTIMATE else n for group in groups if not _several(group) for n in group]
    if not lone:
        return ""
    return (
        f"One seed ({', '.join(lone)}): no headline figures. Train again with another seed and nothing"
        " else changed, and give both checkpoints"
    )


def _several(group: Mapping[str, int]) -> bool:
    return len(group) > 1 and len(set(group.values())) == len(group)


def add_seed_means(rows: Sequence[Score], pools: SeedGroups) -> list[Score]:
    """Adds the mean over seeds behind the scores of its seeds, pair by pair.

    A mean fails where one of its seeds fails. What the target leaves undefined stays excluded.
    """
    averaged: list[Score] = []
    for _, trial in groupby(rows, key=lambda row: (row.split, row.kind, row.pair)):
        methods: dict[str, list[Score]] = {}
        for row in trial:
            methods.setdefault(row.method, []).append(row)
        for name, scores in methods.items():
            averaged += scores
            for mean, seeds in pools.items():
                if name == list(seeds)[-1]:
                    averaged += _mean(mean, [methods[seed] for seed in seeds])
    return averaged


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
