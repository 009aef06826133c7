"""Synths: opened by name or path, their presets by address."""

from __future__ import annotations

from pathlib import Path

import pytest

from manifests.types import InputError
from presets.host.client import SnapshotHost
from presets.synths.synth import is_installed, open_synth


@pytest.mark.plugins
def test_the_profile_knows_amsynths_own_parameters(amsynth: Path, tmp_path: Path) -> None:
    # Starting the host compares parameter names; the canary plays a note.
    with SnapshotHost(open_synth("amsynth", amsynth), scratch=tmp_path) as host:
        host.self_test()


def test_a_missing_plugin_error_lists_the_paths_tried() -> None:
    with pytest.raises(InputError, match=r"/nowhere/x\.so.*apt-get install amsynth"):
        open_synth("amsynth", Path("/nowhere/x.so"))


def test_an_unknown_synth_error_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="amsynth, builtin"):
        open_synth("moog")


@pytest.mark.parametrize("address", ["named/nothing", "", "random/x/1", "random/1", "BriansBank01/000"])
def test_an_unknown_preset_error_names_the_expected_form(address: str) -> None:
    with pytest.raises(InputError, match="named/pure-sine"):
        open_synth("builtin").preset(address)


def test_the_builtin_synth_is_always_installed() -> None:
    assert is_installed("builtin")


def test_the_fingerprint_names_plugin_profile_and_banks() -> None:
    fingerprint = open_synth("builtin").fingerprint()
    assert fingerprint.keys() == {"plugin", "profile", "host", "bank/builtin_bank"}
    assert len(fingerprint["plugin"]) == 64
