"""Profiles: pinned parameters win over presets; unknown keys are refused."""

from __future__ import annotations

import pytest

from presets.synths.profile import Profile, load_profile


@pytest.mark.parametrize("name", ["amsynth", "builtin"])
def test_pinned_values_override_presets_and_have_a_reason(name: str) -> None:
    profile = load_profile(name)
    complete = profile.complete_parameters({"amp_attack": 2.0, "amp_sustain": 0.1, "amp_release": 2.0})
    assert (complete["amp_attack"], complete["amp_sustain"], complete["amp_release"]) == (0.0, 1.0, 0.0)
    assert all(len(pin.why) > 10 for pin in profile.pinned.values())


def test_a_value_outside_its_range_is_clamped() -> None:
    assert load_profile("amsynth").complete_parameters({"filter_resonance": 3.0})["filter_resonance"] == 0.97


def test_a_profile_with_an_unknown_key_or_pin_is_refused() -> None:
    good = load_profile("builtin").model_dump()
    with pytest.raises(ValueError, match="colour"):
        Profile.model_validate(good | {"colour": "red"})
    with pytest.raises(ValueError, match="do not exist"):
        Profile.model_validate(good | {"pinned": {"nothing": {"value": 0, "why": "no"}}})
