"""Preset files of any plugin: plugin states and bare parameter values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from manifests.types import InputError
from presets.host.client import GroupFailure, SnapshotHost
from presets.synths.preset import Preset
from presets.synths.preset_files import read_preset_folder
from presets.synths.synth import open_synth
from tests.support.presets.dpf_plugins import save_state
from tests.support.presets.plugins import centroid, play_note


@pytest.fixture
def profile(nekobi: Path, tmp_path: Path) -> Path:
    """Writes a user's profile of Nekobi with two plugin states and one file of bare values."""
    folder = tmp_path / "presets"
    folder.mkdir()
    for name, cutoff in (("dark", 0.1), ("bright", 0.9)):
        save_state(nekobi, {"Cutoff": cutoff, "Decay": 1.0}, folder / f"{name}.fxp")
    (folder / "bare.yaml").write_text(yaml.safe_dump({"square": {"Waveform": 1.0}, "saw": {}}))
    values: dict[str, object] = {
        "name": "my-nekobi",
        "kind": "vst2",
        "plugin": str(nekobi),
        "banks": "presets",
        "deterministic": True,
        "warm_up_s": 0.2,
        "parameters": {"Waveform": [0, 1, 0], "Cutoff": [0, 1, 0.5], "Accent": [0, 1, 0]},
        "pinned": {"Accent": {"value": 0, "why": "velocity is a stated gain"}},
    }
    path = tmp_path / "nekobi.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.mark.plugins
def test_states_and_bare_values_load_and_repeat(profile: Path, tmp_path: Path) -> None:
    synth = open_synth(str(profile))
    presets = {preset.address: preset for preset in synth.presets()}
    assert list(presets) == ["bare.yaml/saw", "bare.yaml/square", "bright.fxp", "dark.fxp"]
    # Beside a state only pinned parameters are set: the state holds the rest.
    assert presets["dark.fxp"].parameters == {"Accent": 0.0}
    with SnapshotHost(synth, scratch=tmp_path / "hosts") as host:
        host.self_test()
        sounds = {address: play_note(host, synth, preset) for address, preset in presets.items()}
        for address, preset in presets.items():
            np.testing.assert_array_equal(play_note(host, synth, preset), sounds[address])
    with SnapshotHost(synth, scratch=tmp_path / "hosts") as other:
        np.testing.assert_array_equal(play_note(other, synth, presets["dark.fxp"]), sounds["dark.fxp"])
    hashes = {sound.tobytes() for sound in sounds.values()}
    assert len(hashes) == 4
    assert centroid(sounds["bright.fxp"]) > 1.5 * centroid(sounds["dark.fxp"])


@pytest.mark.plugins
def test_a_preset_that_the_plugin_rejects_fails_alone(nekobi: Path, tmp_path: Path) -> None:
    synth = open_synth(str(nekobi))
    init = synth.presets()[0]
    foreign = Preset("x.fxp", "x", {}, "", b"CcnK" + bytes(8) + b"\x00\x00\x00\x01Nope" + bytes(60))
    with SnapshotHost(synth, scratch=tmp_path) as host:
        with pytest.raises(GroupFailure) as failure:
            play_note(host, synth, foreign)
        assert failure.value.reason == "unloadable"
        assert np.abs(play_note(host, synth, init)).max() > 0


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.fxp", b"RIFF", "not a .fxp file"),
        ("a.fxp", b"", "not a .fxp file"),
        ("a.yaml", b"- 1", "mapping from preset names"),
        ("a.yaml", b"x: {Cutoff: loud}", "mapping from preset names"),
    ],
)
def test_a_damaged_preset_file_is_named(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=f"{name}.*{message}"):
        read_preset_folder(tmp_path, "vst2", xiz=False)


def test_a_vst3_takes_vstpresets_only(tmp_path: Path) -> None:
    (tmp_path / "a.vstpreset").write_bytes(b"VST3" + bytes(60))
    (tmp_path / "b.fxp").write_bytes(b"CcnK" + bytes(60))
    assert [file.state and file.state[0] for file in read_preset_folder(tmp_path, "vst3", xiz=False)] == [
        "vstpreset"
    ]


def test_an_unknown_parameter_in_bare_values_is_named(profile: Path) -> None:
    (profile.parent / "presets" / "bare.yaml").write_text("square: {Volumen: 1}")
    with pytest.raises(InputError, match=r"bare.yaml/square: parameter 'Volumen' is not in the profile"):
        open_synth(str(profile)).presets()


def test_a_zeroed_preset_is_refused(tmp_path: Path) -> None:
    chunk = b"CcnK" + bytes(4) + b"FPCh" + bytes(44) + (64).to_bytes(4)
    for name, data in {"body.fxp": chunk + bytes(64), "all.fxp": b"CcnK" + bytes(200)}.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match="damaged: nothing but zeros follow its header"):
            read_preset_folder(tmp_path, "vst2", xiz=False)
        (tmp_path / name).unlink()
