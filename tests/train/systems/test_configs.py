"""Configs: settings that were renamed are still read by their old names."""

from __future__ import annotations

from typing import Any

import pytest

from manifests.types import InputError
from train.config import parse_config

RENAMED = [
    ("triptych", "halves", "subharmonics", 8),
    ("triptych", "notes_a_target", "notes_per_target", 3),
    ("triptych", "rooms", "reverb_probability", 0.25),
    ("triptych", "likeness_weight", "consistency_weight", 2.0),
    ("triptych", "matching_weight", "feature_matching_weight", 0.5),
    ("ctd", "judge_channels", "discriminator_channels", 4),
    ("ctd", "matching_weight", "feature_matching_weight", 0.5),
    ("synthcloner", "judge_channels", "discriminator_channels", 4),
    ("synthcloner", "judge_windows", "discriminator_windows", (512,)),
    ("synthcloner", "matching_weight", "feature_matching_weight", 0.5),
]


@pytest.mark.parametrize(("system", "old", "new", "value"), RENAMED)
def test_renamed_settings_are_read_by_both_names(system: str, old: str, new: str, value: Any) -> None:
    for name in (old, new):
        config = parse_config({"system": system, "steps": 1, "model": {name: value}}, "config.yaml")
        assert getattr(config.model, new) == value
        assert new in config.model_dump()["model"]
    with pytest.raises(InputError, match=rf"model\.{old}"):
        parse_config({"system": system, "steps": 1, "model": {old: value, new: value}}, "config.yaml")
