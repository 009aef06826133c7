"""Engines of our own synth with the troubles of real plugins: latency, outputs, loading threads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from presets.host.client import SnapshotHost
from presets.synths.synth import Synth, open_synth
from tests.support.presets.odd_synth_builds import Build, odd_profile
from tests.support.presets.plugins import play_note


def note_of(synth: Synth, folder: Path) -> np.ndarray:
    with SnapshotHost(synth, scratch=folder) as host:
        host.self_test()
        return play_note(host, synth, synth.presets()[0])


@pytest.mark.parametrize("kind", ["vst2", "vst3"])
def test_latency_is_corrected_and_only_the_main_outputs_are_heard(
    odd: Build, tmp_path: Path, kind: str
) -> None:
    """The other six outputs are loud noise. The sound is that of the same synth without its troubles."""
    plain = open_synth(str(odd_profile(odd())))
    late = open_synth(str(odd_profile(odd("OddLate", kind, LATENCY=4096, OUTPUTS=8))))
    expected = note_of(plain, tmp_path)
    np.testing.assert_array_equal(note_of(late, tmp_path), expected)
    assert expected.shape == (2, 44_100)
    assert np.abs(expected[:, :100]).max() > 0.01


def test_a_loading_thread_is_waited_for(odd: Build, tmp_path: Path) -> None:
    plugin = odd("OddSlow", LOADS_MS=700)
    expected = note_of(open_synth(str(odd_profile(odd()))), tmp_path)
    for isolation in ("fork", "process"):
        synth = open_synth(str(odd_profile(plugin, wait_s=1.5, isolation=isolation)))
        np.testing.assert_array_equal(note_of(synth, tmp_path), expected)


def test_a_home_folder_is_given_and_stays_as_it_is(odd: Build, tmp_path: Path) -> None:
    plugin = odd("OddHome", HOME=1)
    home = plugin.parent / "home"
    (home / ".odd").mkdir(parents=True, exist_ok=True)
    (home / ".odd" / "samples").write_bytes(bytes(10))
    synth = open_synth(str(odd_profile(plugin, home="home")))
    np.testing.assert_array_equal(
        note_of(synth, tmp_path), note_of(open_synth(str(odd_profile(odd()))), tmp_path)
    )
    assert [path.name for path in (home / ".odd").iterdir()] == ["samples"]


def test_a_display_of_its_own(odd: Build, tmp_path: Path) -> None:
    synth = open_synth(str(odd_profile(odd("OddWindow", DISPLAY=1), needs_display=True)))
    expected = note_of(open_synth(str(odd_profile(odd()))), tmp_path)
    np.testing.assert_array_equal(note_of(synth, tmp_path), expected)
