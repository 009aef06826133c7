"""Assigns ids to the sides of splits, so that unseen ids never occur in train.

Every axis (timbre, envelope, phrase) has two sides, `train` and `test`. Timbres of an unseen synth have a
third side, `synth`. A split is a product of sides. Cells with exactly two unseen axes belong to no split
and are not rendered.
"""

from __future__ import annotations

from collections.abc import Sequence

from manifests.splits.seeds import permutation
from manifests.types import InputError

Sides = tuple[str, str, str]

SIDES_OF_SPLIT: dict[str, Sides] = {
    "train": ("train", "train", "train"),
    "validation": ("train", "train", "train"),
    "test_unseen_timbre": ("test", "train", "train"),
    "test_unseen_envelope": ("train", "test", "train"),
    "test_unseen_phrase": ("train", "train", "test"),
    "test_unseen_all": ("test", "test", "test"),
    "test_unseen_synth": ("synth", "train", "train"),
}
"""The side of (timbre, envelope, phrase) in each split."""


def assign_sides(clusters: Sequence[int], test_share: float, seed: int, axis: str) -> list[str]:
    """Assigns each id to the side train or test, given each id's cluster.

    Whole clusters go to test, in a seeded order, until it holds `test_share` of the ids, and at least two so
    that partners exist. A cluster is skipped if it would far exceed the share, or leave train fewer than two.
    A share of 0 leaves all in train. Raises InputError if the ids cannot give both sides two.

    Example: `assign_sides([0, 1, 1, 3, 4], test_share=0.4, seed=1, axis="timbre")`.
    """
    count = len(clusters)
    if test_share == 0.0 and count >= 2:
        return ["train"] * count
    members: dict[int, list[int]] = {}
    for index, cluster in enumerate(clusters):
        members.setdefault(cluster, []).append(index)
    shuffled = [members[list(members)[int(i)]] for i in permutation(seed, len(members), "side", axis)]
    wanted = max(2, int(test_share * count + 0.5))
    test: set[int] = set()
    # First come clusters that fit the share. If all are larger, the smallest ones follow.
    for most, ordered in ((wanted + 1, shuffled), (count - 2, sorted(shuffled, key=len))):
        for ids in ordered:
            if len(test) < min(wanted, most) and len(test | set(ids)) <= min(most, count - 2):
                test.update(ids)
        if len(test) >= 2:
            break
    if len(test) < 2 or count - len(test) < 2:
        raise InputError(
            f"{axis}s: {count} of them in {len(members)} clusters cannot give train and test two each;"
            " configure more"
        )
    return ["test" if index in test else "train" for index in range(count)]


def grow_sides(
    clusters: Sequence[int],
    sides: Sequence[str],
    fixed: Sequence[str | None],
    test_share: float,
    seed: int,
    axis: str,
    generation: int,
) -> list[str]:
    """Assigns the ids of a new generation to sides, given all ids' clusters and the old ids' `sides`.

    A new id in an old id's cluster goes to that side. The other new ids fill test up to `test_share` of all
    ids. `fixed` gives the side of each new id that has no choice, else None. Partners need at least two new
    ids of a side, or none. The side "" marks an id that must be drawn again: its cluster spans two sides, or
    it would be alone on its side.

    >>> grow_sides([0, 1, 0, 1], ["train", "test"], [None, None], 0.5, seed=1, axis="phrase", generation=1)
    ['', '']
    """
    old = len(sides)
    places: dict[int, set[str]] = {}
    for cluster, side in zip(clusters, [*sides, *fixed], strict=True):
        if side is not None:
            places.setdefault(cluster, set()).add(side)
    free: dict[int, list[int]] = {}
    given: dict[int, str] = {}
    for new, (cluster, own) in enumerate(zip(clusters[old:], fixed, strict=True)):
        known = places.get(cluster, set())
        if not known:
            free.setdefault(cluster, []).append(new)
        elif len(known) > 1 or (own is None and known - {"train", "test"}):
            given[new] = ""
        else:
            given[new] = next(iter(known))
    forced = {side: sum(s == side for s in given.values()) for side in ("train", "test")}
    groups = list(free.values())
    groups = [groups[int(i)] for i in permutation(seed, len(groups), "side", axis, generation)]
    count = sum(map(len, groups))
    wanted = int(test_share * len(clusters) + 0.5) - sum(s == "test" for s in sides) - forced["test"]
    wanted = min(max(wanted, 0), count)
    chosen: set[int] = set()
    for size in sorted(range(count + 1), key=lambda n: (abs(n - wanted), n)):
        test: set[int] = set()
        for group in groups:
            if len(test) + len(group) <= size:
                test.update(group)
        if 1 not in (forced["test"] + len(test), forced["train"] + count - len(test)):
            chosen = test
            break
    for group in groups:
        given |= {new: "test" if new in chosen else "train" for new in group}
    added = [given[new] for new in range(len(fixed))]
    return [side if added.count(side) > 1 else "" for side in added]
