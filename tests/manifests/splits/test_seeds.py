"""Seeded draws: pinned, independent of each other, different by name."""

from __future__ import annotations

from manifests.splits import seeds


def test_draws_do_not_depend_on_other_draws_and_differ_by_name() -> None:
    alone = seeds.uniform(7, 0.0, 1.0, "envelope", 5)
    many = [seeds.uniform(7, 0.0, 1.0, "envelope", i) for i in range(10)]
    assert many[5] == alone
    assert len(set(many)) == 10
    assert seeds.derive(1, "ab", "c") != seeds.derive(1, "a", "bc")
    assert seeds.derive(1, "1") != seeds.derive(1, 1)
    assert sorted(seeds.permutation(3, 100, "x")) == list(range(100))


def test_draws_are_pinned() -> None:
    # A change of these values changes every dataset: it needs a new major audio version.
    assert seeds.derive(1, "timbre", 2) == 272402024899702858305516648814892583078
    assert list(seeds.permutation(1, 8, "x")) == [6, 2, 1, 5, 0, 7, 4, 3]
