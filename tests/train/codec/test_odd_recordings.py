"""Recordings that are no monophonic tune convert in both directions."""

from __future__ import annotations

import numpy as np
import pytest

from manifests.splits.seeds import stream
from tests.support.tunes import RATE, drum_loop, tune
from train.codec.api import Codec


@pytest.mark.parametrize(
    "odd", ["silence", "noise", "drums", "chord", "one note", "legato", "shortest", "quiet"]
)
def test_unusual_recordings_convert_in_both_directions(codec: Codec, odd: str) -> None:
    one = tune(0.2)
    recording = {
        "silence": np.zeros(RATE // 2, dtype=np.float32),
        "noise": np.asarray(stream(1, "noise").random(RATE // 2) - 0.5, dtype=np.float32),
        "drums": drum_loop(),
        "chord": (tune(0.6) + tune(0.6, 1, 1)[::1]) / 2,
        "one note": np.pad(one, (0, RATE // 4)),
        "legato": np.asarray(0.5 * np.sin(2 * np.pi * 220 * np.arange(RATE // 2) / RATE), dtype=np.float32),
        "shortest": one,
        "quiet": 1e-4 * tune(0.4),
    }[odd]
    for source, reference in ((recording, tune()), (tune(), recording)):
        made = codec.convert(source, reference)
        assert made.audio.shape == source.shape
        assert np.isfinite(made.audio).all()
        assert np.sqrt(np.mean(made.audio**2)) <= 1.0  # peaks may exceed 1
    description = codec.describe(recording)
    assert bool(description.notes) == (odd != "silence")
    assert set(description.confidence.values()) <= set(
        np.clip(list(description.confidence.values()), 0.0, 1.0)
    )
