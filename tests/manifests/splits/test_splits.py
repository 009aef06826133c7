"""Splits: whole clusters go to one side; too few ids are refused."""

from __future__ import annotations

import pytest

from manifests.splits.splits import assign_sides
from manifests.types import InputError


def test_clusters_are_never_split_between_sides() -> None:
    clusters = [0, 0, 0, 3, 4, 5, 6, 7, 8, 8]
    for seed in range(50):
        sides = assign_sides(clusters, 0.3, seed, "timbre")
        assert 2 <= sides.count("test") <= 4
        for cluster in set(clusters):
            assert len({side for side, c in zip(sides, clusters, strict=True) if c == cluster}) == 1


def test_clusters_larger_than_the_share_still_leave_a_test_side() -> None:
    clusters = [0] * 20 + [20] * 15 + [35] * 12
    for seed in range(10):
        assert assign_sides(clusters, 0.1, seed, "phrase").count("test") == 12


@pytest.mark.parametrize("clusters", [[0, 1, 2], [0] * 10])
def test_too_few_ids_or_clusters_are_refused(clusters: list[int]) -> None:
    with pytest.raises(InputError, match="configure more"):
        assign_sides(clusters, 0.5, 1, "phrase")
