"""Canonical JSON: one spelling; differences are named by their path."""

from __future__ import annotations

import pytest

from manifests.dataset import canonical


def test_equal_values_have_one_canonical_json() -> None:
    assert canonical.canonical_json({"b": 1, "a": [1.5, "é"]}) == '{"a":[1.5,"é"],"b":1}'.encode()
    with pytest.raises(ValueError, match=r"NaN|Out of range"):
        canonical.canonical_json(float("nan"))


def test_differences_name_the_path() -> None:
    first, second = {"a": {"b": [1, 2]}, "c": 1}, {"a": {"b": [1, 3]}}
    assert canonical.differences(first, second) == ["a.b[1]: 2 != 3", "c: 1 != null"]
