"""Page data: waveform peaks, and JSON that cannot end its script element."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from train.evaluation.page.data import drawn, script_json


def test_a_waveform_is_drawn_by_its_peaks() -> None:
    ramp = np.linspace(0.0, -0.5, 9600, dtype=np.float32)
    points = np.frombuffer(base64.b64decode(drawn(ramp, 0.5)), dtype=np.uint8)
    assert len(points) == 240
    assert points[-1] == 255
    assert int(points[120]) == pytest.approx(128, abs=2), "half the peak, half way up"


def test_json_data_cannot_end_its_script_element() -> None:
    assert "</script>" not in script_json(["</script><script>alert(1)//", "\u2028"])
    assert json.loads(script_json(["</script>"])) == ["</script>"]
