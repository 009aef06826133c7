"""Tests of laws fitted through measured points."""

from __future__ import annotations

import numpy as np
import pytest

from presets.calibration.laws import fit_law
from presets.synths.envelope_map import CubicLaw, LinearLaw, TableLaw

Points = tuple[tuple[float, float], ...]


def points_of(power: int, scale: float, offset: float) -> Points:
    return tuple((float(value), scale * float(value) ** power + offset) for value in np.linspace(0.2, 1.0, 9))


def test_a_linear_law_is_found() -> None:
    law = fit_law(points_of(1, 2500.0, 5.0), level=False)
    assert isinstance(law, LinearLaw)
    assert (law.scale, law.offset) == pytest.approx((2500.0, 5.0), rel=1e-4)


def test_a_cubic_law_is_found() -> None:
    law = fit_law(points_of(3, 15_625.0, 0.5), level=False)
    assert isinstance(law, CubicLaw)
    assert (law.scale, law.offset) == pytest.approx((15_625.0, 0.5), rel=1e-3)


def test_other_curves_become_a_table_of_the_rising_points() -> None:
    points = ((0.0, 1.0), (0.25, 2.0), (0.5, 2.0), (0.75, 40.0), (1.0, 1000.0))
    law = fit_law(points, level=False)
    assert isinstance(law, TableLaw)
    assert law.points == ((0.0, 1.0), (0.25, 2.0), (0.75, 40.0), (1.0, 1000.0))
    assert law.between == "cubic"


def test_a_level_is_fitted_by_its_absolute_error() -> None:
    law = fit_law(((0.0, 0.0), (0.5, 0.51), (1.0, 1.0)), level=True)
    assert isinstance(law, LinearLaw)
    table = fit_law(((0.0, 0.0), (0.5, 0.1), (0.75, 0.2), (1.0, 1.0)), level=True)
    assert isinstance(table, TableLaw)
    assert table.between == "linear"


@pytest.mark.parametrize(
    ("points", "level"),
    [((), False), (((0.0, 1.0), (1.0, 900.0)), False), (((0.0, 0.5), (0.5, 0.52), (1.0, 0.55)), True)],
)
def test_points_that_hardly_rise_have_no_law(points: Points, level: bool) -> None:
    assert fit_law(points, level) is None
