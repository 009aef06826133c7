"""Profiles, bank files and preset addresses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from manifests.types import Envelope, InputError
from presets.host.client import SnapshotHost
from presets.synths.amsynth_bank import read_bank
from presets.synths.envelope_map import Table
from presets.synths.profile import Profile, load_profile
from presets.synths.synths import installed, open_synth

BANK = """amSynth
<preset> <name> Two words
<parameter> amp_attack 0.5
<parameter> filter_cutoff -0.25
<preset> <name> other
EOF"""


def test_a_bank_keeps_names_and_values(tmp_path: Path) -> None:
    path = tmp_path / "a.bank"
    path.write_text(BANK)
    assert read_bank(path) == [("Two words", {"amp_attack": 0.5, "filter_cutoff": -0.25}), ("other", {})]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("something else", "first line"),
        ("amSynth\n<parameter> amp_attack 1\n", "line 2"),
        ("amSynth\n<preset> <name> x\n<parameter> amp_attack loud\n", "line 3"),
        ("", "first line"),
    ],
)
def test_a_damaged_bank_is_named_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "a.bank"
    path.write_text(text)
    with pytest.raises(InputError, match=says) as error:
        read_bank(path)
    assert str(path) in str(error.value)


@pytest.mark.plugins
def test_all_of_amsynths_banks_are_read(amsynth: Path) -> None:
    synth = open_synth("amsynth", amsynth)
    presets = synth.presets()
    assert len(presets) == 3482
    assert len({preset.address for preset in presets}) == 3482
    assert presets[0].address == "BriansBank01/000"
    assert presets[0].name == "BriansBank01 basic11"
    assert presets[0].parameters["filter_env_amount"] == 11.84
    assert synth.preset("BriansBank01/000") == presets[0]
    ranges = synth.profile.parameters
    for preset in presets:
        assert preset.parameters.keys() == ranges.keys()
        sent = synth.profile.settings(preset.parameters).values()
        assert all(0.0 <= value <= 1.0 for value in sent)


@pytest.mark.plugins
def test_the_profile_knows_amsynths_own_parameters(amsynth: Path, tmp_path: Path) -> None:
    # Starting the host compares the names; the canary plays.
    with SnapshotHost(open_synth("amsynth", amsynth), scratch=tmp_path) as host:
        host.check()


@pytest.mark.parametrize("name", ["amsynth", "builtin"])
def test_pins_come_before_the_preset_and_say_why(name: str) -> None:
    profile = load_profile(name)
    complete = profile.complete({"amp_attack": 2.0, "amp_sustain": 0.1, "amp_release": 2.0})
    assert (complete["amp_attack"], complete["amp_sustain"], complete["amp_release"]) == (0.0, 1.0, 0.0)
    assert all(len(pin.why) > 10 for pin in profile.pinned.values())


def test_a_value_outside_its_range_goes_to_the_end() -> None:
    assert load_profile("amsynth").complete({"filter_resonance": 3.0})["filter_resonance"] == 0.97


def test_a_profile_with_an_unknown_key_or_pin_is_refused() -> None:
    good = load_profile("builtin").model_dump()
    with pytest.raises(ValueError, match="colour"):
        Profile.model_validate(good | {"colour": "red"})
    with pytest.raises(ValueError, match="do not exist"):
        Profile.model_validate(good | {"pinned": {"nothing": {"value": 0, "why": "no"}}})


def test_a_missing_plugin_says_what_was_tried() -> None:
    with pytest.raises(InputError, match=r"/nowhere/x\.so.*apt-get install amsynth"):
        open_synth("amsynth", Path("/nowhere/x.so"))


def test_an_unknown_synth_lists_those_there_are() -> None:
    with pytest.raises(InputError, match="amsynth, builtin"):
        open_synth("moog")


@pytest.mark.parametrize("address", ["named/nothing", "", "random/x/1", "random/1", "BriansBank01/000"])
def test_an_unknown_preset_says_what_is_expected(address: str) -> None:
    with pytest.raises(InputError, match="named/pure-sine"):
        open_synth("builtin").preset(address)


def test_the_builtin_synth_is_always_installed() -> None:
    assert installed("builtin")


def test_the_fingerprint_names_plugin_profile_and_banks() -> None:
    fingerprint = open_synth("builtin").fingerprint()
    assert fingerprint.keys() == {"plugin", "profile", "host", "bank/builtin_bank"}
    assert len(fingerprint["plugin"]) == 64


@pytest.mark.parametrize("name", ["amsynth", "builtin"])
def test_an_envelope_in_ms_becomes_parameters_and_back(name: str) -> None:
    profile = load_profile(name)
    assert profile.envelope is not None
    asked = Envelope(attack_ms=12.5, decay_ms=250.0, sustain=0.4, release_ms=80.0)
    values = profile.envelope.values(asked, profile.parameters)
    for field, stage in profile.envelope.stages().items():
        low, high, _ = profile.parameters[stage.parameter]
        assert low <= values[stage.parameter] <= high
        if field != "hold_ms":
            assert stage.curve.to_ms(values[stage.parameter]) == pytest.approx(getattr(asked, field))


def test_amsynths_law_is_that_of_its_source() -> None:
    envelope = load_profile("amsynth").envelope
    assert envelope is not None
    assert envelope.attack.curve.to_ms(0.5) == pytest.approx(125.5)
    assert envelope.release.curve.to_parameter(1000.5) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (Envelope(5, 5, 1, 5, hold_ms=10), "no hold"),
        (Envelope(20_000, 5, 1, 5), r"attack_ms 20000: this synth reaches at most 15625\.5"),
        (Envelope(5, 5, 1, 5, curve="exponential"), "linear"),
    ],
)
def test_an_envelope_that_a_synth_cannot_play_is_refused(asked: Envelope, says: str) -> None:
    profile = load_profile("amsynth")
    assert profile.envelope is not None
    with pytest.raises(InputError, match=says):
        profile.envelope.values(asked, profile.parameters)


def test_faster_than_the_synth_can_be_is_its_fastest() -> None:
    profile = load_profile("amsynth")
    assert profile.envelope is not None
    assert profile.envelope.values(Envelope(0, 0, 1, 0), profile.parameters)["amp_attack"] == 0.0


def test_a_measured_table_goes_both_ways() -> None:
    values = np.linspace(0.0, 2.5, 9)
    table = Table(kind="table", between="cubic", points=tuple((v, 1000 * v**3) for v in values.tolist()))
    for ms in (0.3, 40.0, 700.0, 9000.0):
        assert table.to_ms(table.to_parameter(ms)) == pytest.approx(ms)
        assert table.to_parameter(ms) == pytest.approx((ms / 1000) ** (1 / 3))
    with pytest.raises(ValueError, match="rise"):
        Table(kind="table", points=((0.0, 1.0), (1.0, 1.0)))
