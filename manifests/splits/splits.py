"""Which ids each split is made of, so that what a test calls unseen is unseen.

Every axis (timbre, envelope, phrase) has two sides, `train` and `test`; timbres of a synth that is left
out have a third, `synth`. A split is a product of sides. Cells with exactly two unseen axes belong to
no split and are not rendered.
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
    """The side, train or test, of each id, given each id's cluster.

    Whole clusters go to test, in a seeded order, until at least `test_share` of the ids (and at least
    two, so that partners exist) are there; a cluster that would take far more than the share, or leave
    train fewer than two, is passed over. InputError if the ids cannot give both sides two.
    """
    count = len(clusters)
    members: dict[int, list[int]] = {}
    for index, cluster in enumerate(clusters):
        members.setdefault(cluster, []).append(index)
    shuffled = [members[list(members)[int(i)]] for i in permutation(seed, len(members), "side", axis)]
    wanted = max(2, int(test_share * count + 0.5))
    test: set[int] = set()
    # First the clusters that fit the share, then, where all are larger, the smallest ones.
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
    """The sides of the ids that a generation adds, given all ids' clusters and the `sides` of the old ones.

    A new id that is like an old one goes to its side; so does all of its cluster. The others fill test up
    to `test_share` of all ids. `fixed` gives the side of each new id that has no choice. Partners need two
    new ids of a side, or none. "" stands for an id that has no place, since it is like ids of two sides, or
    would be alone on its side: to be drawn again.
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
