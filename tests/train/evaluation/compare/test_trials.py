"""Trials at another sample rate keep all their sounds."""

from __future__ import annotations

import numpy as np

from train.evaluation.compare.trials import resample_trial
from train.evaluation.trial import Trial


def test_a_trial_at_another_rate_keeps_all_its_sounds() -> None:
    sounds = {name: np.ones(441, dtype=np.float32) for name in ("source", "reference", "target")}
    trial = Trial(
        split="s", kind="both", pair="p", rate=44_100, **sounds, estimates={"a": sounds["target"]},
        timbre_cluster="", phrase_cluster="", names={},
    )  # fmt: skip
    low = resample_trial(trial, 16_000)
    assert low.rate == 16_000
    assert {len(low.source), len(low.reference), len(low.target), len(low.estimates["a"])} == {160}
    assert resample_trial(trial, 44_100) is trial
