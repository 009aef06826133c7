"""Page data: waveform peaks."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from train.evaluation.page.data import encode_peaks


def test_a_waveform_is_drawn_by_its_peaks() -> None:
    ramp = np.linspace(0.0, -0.5, 9600, dtype=np.float32)
    points = np.frombuffer(base64.b64decode(encode_peaks(ramp, 0.5)), dtype=np.uint8)
    assert len(points) == 240
    assert points[-1] == 255
    assert int(points[120]) == pytest.approx(128, abs=2), "half the peak, half way up"
