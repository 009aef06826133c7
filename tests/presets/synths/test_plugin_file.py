"""Synths opened by a plugin's path, with and without a profile."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from presets.host.client import SnapshotHost
from presets.synths.profile import load_profile
from presets.synths.synth import open_synth
from tests.support.presets.plugins import play_note, require_plugin


@pytest.fixture(scope="module")
def kars() -> Path:
    return require_plugin("/usr/lib/vst/Kars-vst.so", "dpf-plugins-vst")


@pytest.mark.plugins
def test_a_plugin_without_a_profile_plays(kars: Path, tmp_path: Path) -> None:
    synth = open_synth(str(kars))
    assert (synth.name, synth.deterministic) == ("Kars-vst", False)
    (init,) = synth.presets()
    with SnapshotHost(synth, scratch=tmp_path) as one, SnapshotHost(synth, scratch=tmp_path) as two:
        # The plugin draws random numbers, which the host seeds: two processes give the same audio.
        np.testing.assert_array_equal(play_note(one, synth, init), play_note(two, synth, init))


@pytest.mark.plugins
def test_a_plugin_file_finds_its_profile(amsynth: Path, nekobi: Path, kars: Path) -> None:
    assert open_synth(str(amsynth)).name == "amsynth"
    assert open_synth(str(nekobi)).name == "nekobi"
    assert load_profile(str(kars)).pinned == {}


@pytest.mark.plugins
def test_nekobis_own_presets_sound_different(nekobi: Path, tmp_path: Path) -> None:
    synth = open_synth("nekobi", nekobi)
    presets = synth.presets()
    assert len(presets) == 56
    with SnapshotHost(synth, scratch=tmp_path) as host:
        first, again, other = (play_note(host, synth, presets[index]) for index in (0, 0, -1))
    assert np.abs(first).max() > 0.01
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01
