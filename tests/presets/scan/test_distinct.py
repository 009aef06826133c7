"""Distinct presets: similar presets count as one timbre, failed ones as none."""

from __future__ import annotations

import numpy as np

from presets.analysis.fingerprint import BANDS
from presets.scan.distinct import compare_presets


def row(preset: str, loud: list[float], soft: list[float], **more: object) -> dict[str, object]:
    good = {"status": "ok", "level_variation_db": 0.1, "pitch_confidence": 1.0, "audio_sha256": preset}
    errors = {"fingerprint_error": [0.1] * BANDS, "fingerprint_soft_error": [0.1] * BANDS}
    return {"preset": preset, **good, "fingerprint": loud, "fingerprint_soft": soft, **errors, **more}


def test_similar_presets_count_as_one_timbre_and_failures_as_none() -> None:
    random = np.random.default_rng(0)
    base = random.uniform(-60.0, 0.0, (20, BANDS))
    some = [row(f"a{i}", list(x), list(x + random.normal(0, 0.5, BANDS))) for i, x in enumerate(base)]
    # A uniform level change is not another timbre, and neither is a tiny difference.
    twin = row("twin", list(base[3] + 0.01), list(base[3]))
    unsteady = row("unsteady", list(base[0] + 30), list(base[0]), level_variation_db=5.0)
    failed = row("failed", [], [], status="silent", audio_sha256=None)
    same = row("same", list(base[5]), list(base[5]), audio_sha256="a5")
    compared, known = compare_presets([*some, twin, unsteady, failed, same])
    by = {str(one["preset"]): one for one in compared}
    assert sum(bool(one["distinct"]) for one in compared) == 20
    assert {by["twin"]["near"], by["a3"]["near"]} == {"a3", None} or by["a3"]["near"] == "twin"
    assert not by["unsteady"]["usable"]
    assert not by["failed"]["usable"]
    assert by["same"]["same_audio"] == "a5"
    assert by["a5"]["same_audio"] is None
    assert known["compared"] == 22
