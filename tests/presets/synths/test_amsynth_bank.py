"""amsynth's bank files: names and values are read; a damaged file is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from manifests.types import InputError
from presets.synths.amsynth_bank import read_bank
from presets.synths.synth import open_synth

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
    ("text", "message"),
    [
        ("something else", "first line"),
        ("amSynth\n<parameter> amp_attack 1\n", "line 2"),
        ("amSynth\n<preset> <name> x\n<parameter> amp_attack loud\n", "line 3"),
        ("", "first line"),
    ],
)
def test_a_damaged_bank_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.bank"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as error:
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
        sent = synth.profile.host_values(preset.parameters).values()
        assert all(0.0 <= value <= 1.0 for value in sent)
