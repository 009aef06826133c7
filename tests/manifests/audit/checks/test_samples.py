"""Sample checks: every defect of a clip's PCM is named."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from manifests.audit.checks.samples import pcm_defects
from manifests.synthesis.compose import pcm_sha256, rms

TONE = np.round(20_000 * np.sin(np.arange(4410) * 2 * np.pi / 105)).astype(np.int16)


@pytest.mark.parametrize(
    ("pcm", "changed", "message"),
    [
        (TONE, {}, ""),
        (TONE, {"frames": 4411}, "its row says mono, 4411 at 44100"),
        (TONE, {"rate": 48_000}, "its row says mono, 4410 at 48000"),
        (TONE, {"pcm_sha256": "0" * 64}, "PCM hash"),
        (TONE, {"peak": 1}, ", its row says 1"),
        (TONE, {"rms": 0.5}, "its row says 0.500000"),
        (np.zeros_like(TONE), {}, "silent"),
        (np.clip(2 * TONE.astype(int), -32767, 32767).astype(np.int16), {}, "clipped"),
        (TONE + np.int16(200), {}, ""),
        (TONE + np.int16(400), {}, "DC offset -38.3 dBFS"),
        ((TONE // 200 + 100).astype(np.int16), {}, "DC offset -50.4 dBFS"),
    ],
)
def test_every_defect_of_a_clip_is_named(pcm: np.ndarray, changed: dict[str, Any], message: str) -> None:
    row = {
        "frames": len(pcm), "rate": 44_100, "pcm_sha256": pcm_sha256(pcm),
        "peak": int(np.abs(pcm.astype(int)).max()), "rms": rms(pcm),
    }  # fmt: skip
    defects = list(pcm_defects(pcm, 44_100, SimpleNamespace(**{**row, **changed})))
    assert len(defects) == (1 if message else 0), defects
    assert message in "".join(defects)
