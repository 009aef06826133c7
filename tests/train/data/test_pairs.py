"""Evaluation pairs: conversions whose target exists."""

from __future__ import annotations

import pytest

from manifests.dataset.layout import Layout
from manifests.types import ClipId, InputError
from train.data.pairs import KINDS, draw_pairs


@pytest.mark.parametrize("kind", KINDS)
def test_pairs_are_conversions_with_a_known_answer(layout: Layout, kind: str) -> None:
    pairs = draw_pairs(layout, "validation", kind, 8, seed=3)
    assert pairs == draw_pairs(layout, "validation", kind, 8, seed=3)
    assert pairs != draw_pairs(layout, "validation", kind, 8, seed=4)
    assert len({(pair.source, pair.reference) for pair in pairs}) == 8
    for pair in pairs:
        source, reference, target = (ClipId.parse(key) for key in (pair.source, pair.reference, pair.target))
        for axis in ("timbre", "envelope", "phrase"):
            assert getattr(source, axis) != getattr(reference, axis)
        assert target.phrase == source.phrase
        assert target.timbre == (source if kind == "envelope" else reference).timbre
        assert target.envelope == (source if kind == "timbre" else reference).envelope


def test_more_pairs_than_exist_are_refused(layout: Layout) -> None:
    with pytest.raises(InputError, match="holds 16 pairs"):
        draw_pairs(layout, "validation", "both", 17, seed=1)
