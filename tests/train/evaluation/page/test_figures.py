"""Page figures: the envelope's curve, and the pipeline."""

from __future__ import annotations

import re

import numpy as np
import pytest

from train.evaluation.page.figures import adsr_svg, pipeline_svg


def test_the_envelope_figure_comes_from_the_definition() -> None:
    line = re.search(r'<polyline class="line" points="([^"]+)"', adsr_svg())
    assert line
    heights = np.array([float(point.split(",")[1]) for point in line[1].split()])
    gains = (150.0 - heights) / 116.0
    assert gains[0] == pytest.approx(0.0, abs=1e-3)
    assert gains.max() == pytest.approx(1.0, abs=1e-3)
    end_ms = 120 + 60 + 180 + 240 + 240 + 40
    assert gains[round(440 * 450 / end_ms)] == pytest.approx(0.45, abs=1e-2)
    assert gains[round(440 * 720 / end_ms)] == pytest.approx(0.45 / 2, abs=1e-2)


def test_the_pipeline_figure_names_every_part() -> None:
    figure = pipeline_svg()
    for word in ("source", "reference", "content", "timbre", "envelope", "converted", "target"):
        assert f">{word}</text>" in figure
