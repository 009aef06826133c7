"""Bootstrap intervals and tests of means over clustered pairs."""

from __future__ import annotations

import numpy as np
import pytest

from manifests.splits.seeds import stream
from train.evaluation.bootstrap import ClusterBootstrap, adjust_holm, summarise


def test_intervals_of_independent_rows_equal_the_normal_interval() -> None:
    values = stream(1, "values").random(400)
    got = summarise(values, np.arange(400), np.zeros(400), seed=3)
    assert got.low is not None
    assert got.high is not None
    half = 1.96 * values.std() / np.sqrt(400)
    assert (got.high - got.low) / 2 == pytest.approx(half, rel=0.08)
    assert got.mean == pytest.approx(values.mean())
    assert got.worst == values.max()
    assert got.median == np.median(values)


def test_rows_of_one_cluster_do_not_narrow_the_interval() -> None:
    timbre_levels = stream(1, "levels").random(16)
    few = summarise(timbre_levels, np.arange(16), np.zeros(16), seed=3)
    many = summarise(np.repeat(timbre_levels, 50), np.repeat(np.arange(16), 50), np.zeros(800), seed=3)
    assert (many.low, many.high) == pytest.approx((few.low, few.high))


def test_one_cluster_has_no_interval() -> None:
    got = summarise([1.0, 3.0], ["a", "a"], ["b", "b"], seed=0)
    assert (got.mean, got.low, got.high, got.worst) == (2.0, None, None, 3.0)


def test_strata_have_equal_weight() -> None:
    values = np.array([1.0, 1.0, 1.0, 5.0])
    got = summarise(values, [0, 1, 2, 3], [0, 0, 0, 0], seed=0, strata=["a", "a", "a", "b"])
    assert got.mean == 3.0


def test_intervals_do_not_depend_on_the_order_of_rows() -> None:
    values, timbres = stream(1, "v").random(60), np.arange(60) // 5
    order = np.argsort(stream(2, "o").random(60))
    straight = summarise(values, timbres, np.arange(60) % 7, seed=5)
    shuffled = summarise(values[order], timbres[order], (np.arange(60) % 7)[order], seed=5)
    assert (straight.low, straight.high) == pytest.approx((shuffled.low, shuffled.high), abs=1e-12)


def test_three_clusters_are_never_significant_and_many_are() -> None:
    values = np.array([[-1.0], [-1.1], [-0.9], [-1.0]])
    few = ClusterBootstrap(["a", "a", "b", "c"], ["x"] * 4, 0).sign_flip_p_values(values, 0)
    assert few == [pytest.approx(0.25)], "2 of 8 combinations of signs are as extreme"
    gaps = -1.0 + stream(1, "gaps").random((40, 1))
    many = ClusterBootstrap(np.arange(40), np.arange(40) % 20, 0).sign_flip_p_values(gaps, 0)[0]
    assert many is not None
    assert many < 0.01
    nothing = ClusterBootstrap(np.arange(40), np.arange(40) % 20, 0).sign_flip_p_values(gaps + 0.5, 0)[0]
    assert nothing is not None
    assert nothing > 0.2


def test_holm_corrects_for_multiple_tests() -> None:
    assert adjust_holm([0.01, 0.04, None, 0.03]) == [
        pytest.approx(0.03),
        pytest.approx(0.06),
        None,
        pytest.approx(0.06),
    ]
