"""VST3 instruments in the real host: Nekobi and Kars, built from Debian's source package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from presets.cli.app import app
from presets.host.client import SnapshotHost
from presets.synths.synth import Synth, open_synth
from tests.support.presets.dpf_plugins import build_vst3, nekobi_vstpreset
from tests.support.presets.plugins import centroid, play_note

pytestmark = pytest.mark.verify


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return build_vst3(tmp_path_factory.mktemp("vst3"))


def open_with_profile(plugin: Path, folder: Path) -> Synth:
    (folder / "presets").mkdir()
    for name, cutoff in (("dark", 10), ("bright", 90)):
        (folder / "presets" / f"{name}.vstpreset").write_bytes(nekobi_vstpreset(cutoff))
    path = folder / "nekobi3.yaml"
    values: dict[str, object] = {
        "name": "nekobi3",
        "kind": "vst3",
        "plugin": str(plugin),
        "banks": "presets",
        "deterministic": True,
        "warm_up_s": 0.2,
        "parameters": {"Accent": [0, 1, 0]},
        "pinned": {"Accent": {"value": 0, "why": "velocity is a stated gain"}},
    }
    path.write_text(yaml.safe_dump(values))
    return open_synth(str(path))


def test_vstpresets_load_and_repeat_in_any_process(built: dict[str, Path], tmp_path: Path) -> None:
    synth = open_with_profile(built["Nekobi"], tmp_path)
    bright, dark = synth.presets()
    with SnapshotHost(synth, scratch=tmp_path / "hosts") as host:
        host.self_test()
        sounds = [play_note(host, synth, preset) for preset in (bright, dark)]
        np.testing.assert_array_equal(play_note(host, synth, bright), sounds[0])
    with SnapshotHost(synth, scratch=tmp_path / "hosts") as other:
        np.testing.assert_array_equal(play_note(other, synth, dark), sounds[1])
    assert centroid(sounds[0]) > 1.5 * centroid(sounds[1])


def test_a_vst3_without_a_profile_plays(built: dict[str, Path], tmp_path: Path) -> None:
    synth = open_synth(str(built["Kars"]))
    (init,) = synth.presets()
    with SnapshotHost(synth, scratch=tmp_path) as one, SnapshotHost(synth, scratch=tmp_path) as two:
        np.testing.assert_array_equal(play_note(one, synth, init), play_note(two, synth, init))


def test_calibrate_measures_a_vst3(built: dict[str, Path], tmp_path: Path) -> None:
    """Of Kars' 2,083 parameters 3 are its own; the others stand for MIDI controllers."""
    draft = tmp_path / "kars.yaml"
    done = CliRunner().invoke(
        app, ["calibrate", str(built["Kars"]), "--release", "Release", "--out", str(draft)]
    )
    assert done.exit_code == 0, done.output
    assert set(yaml.safe_load(draft.read_text())["parameters"]) == {"Sustain", "Release", "Volume"}
