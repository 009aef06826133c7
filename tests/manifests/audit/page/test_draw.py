"""SVG drawings of the audit page: positions and heights follow the numbers."""

from __future__ import annotations

import re

import numpy as np
import pytest

from manifests.audit.page import draw
from manifests.types import Note


def heights(picture: str, kind: str) -> list[float]:
    return [float(h) for h in re.findall(rf'class="{kind}" [^>]*height="([\d.]+)"', picture)]


def test_bars_are_as_high_as_their_counts() -> None:
    values = np.array([0.0] * 6 + [9.9] * 3)
    picture = draw.histogram([("train", values, None), ("test", np.array([9.9]), None)], "ms", (0.0, 20.0))
    assert heights(picture, "train") == pytest.approx([82.0, 41.0], abs=0.1)
    assert heights(picture, "test") == pytest.approx([82.0 / 6], abs=0.1)
    line = re.search(r'class="asked" x1="([\d.]+)" x2="([\d.]+)"', picture)
    assert line
    assert [float(x) for x in line.groups()] == [0.0, draw.WIDTH]
    assert ">20 ms<" in picture


def test_the_even_line_is_the_height_of_a_flat_histogram() -> None:
    flat = np.linspace(0.001, 9.999, 2600)
    picture = draw.histogram([("train", flat, None)], "", (0.0, 10.0), even=True)
    line = re.search(r'class="even" [^>]*y1="([\d.]+)"', picture)
    assert line
    assert float(line[1]) == pytest.approx(88.0 - 82.0, abs=1.0)


def test_a_map_merges_equal_neighbours_and_omits_empty_cells() -> None:
    share = np.array([[1.0, 1.0, 0.0], [1.0, 0.5, 0.5]])
    kind = np.array([["train", "train", "train"], ["asked", "test", "test"]])
    rectangles = re.findall(
        r'<rect class="(\w+)" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"',
        draw.heat_map(share, kind, "a", "b"),
    )
    third = draw.WIDTH / 3
    assert [(name, *(round(float(v)) for v in at)) for name, *at in rectangles if name != "frame"] == [
        ("train", 0, 0, round(2 * third)),
        ("asked", 0, 100, round(third)),
        ("test", round(third), 100, round(2 * third)),
    ]


def test_a_roll_places_notes_by_time_and_pitch() -> None:
    picture = draw.piano_roll((Note(1.5, 0.75, 60, 127),), 3.0, "train", 60, 71)
    x, y, width = (
        float(v) for v in re.findall(r'class="train" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)"', picture)[0]
    )
    assert (x, width) == (draw.WIDTH / 2, draw.WIDTH / 4 - 1)
    assert y == pytest.approx(77.0), "the lowest pitch is at the bottom"


def test_table_values_never_become_css_classes() -> None:
    hostile = 'x" onload="alert(1)'
    pictures = (
        draw.piano_roll((Note(0.0, 1.0, 60, 100),), 3.0, hostile, 50, 70)
        + draw.gain_curves([(hostile, np.ones(3))], 10.0, 5.0)
        + draw.heat_map(np.ones((1, 1)), np.array([[hostile]]), hostile, hostile)
        + draw.density_strips({hostile: np.array([1.0, 2.0])})
    )
    assert 'onload="' not in pictures
