"""Plugins that are not amsynth: ZynAddSubFX's instruments, preset files of any plugin, profiles by path."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import yaml

from manifests.types import InputError, Note
from presets.host.client import GroupFailure, GroupJob, SnapshotHost
from presets.synths import zyn
from presets.synths.jobs import State
from presets.synths.preset_files import read_folder
from presets.synths.profile import InstrumentPin, load_profile
from presets.synths.synths import Preset, Synth, open_synth
from tests.support.dpf_plugins import save_state

F32 = npt.NDArray[np.float32]


def required(path: str, package: str) -> Path:
    """A plugin or its data: skipped where missing, unless CI requires it."""
    if not Path(path).exists():
        if os.environ.get("TRIPTYCH_REQUIRE_PLUGINS") == "1":
            pytest.fail(f"{path} is missing, and TRIPTYCH_REQUIRE_PLUGINS=1: apt-get install {package}")
        pytest.skip(f"{path} is missing: apt-get install {package}")
    return Path(path)


@pytest.fixture(scope="module")
def zynaddsubfx() -> Synth:
    required("/usr/share/zynaddsubfx/banks", "zynaddsubfx-data")
    return open_synth("zynaddsubfx", required("/usr/lib/vst/ZynAddSubFX.so", "zynaddsubfx-vst"))


@pytest.fixture(scope="module")
def nekobi() -> Path:
    return required("/usr/lib/vst/Nekobi-vst.so", "dpf-plugins-vst")


@pytest.fixture(scope="module")
def kars() -> Path:
    return required("/usr/lib/vst/Kars-vst.so", "dpf-plugins-vst")


def played(host: SnapshotHost, synth: Synth, preset: Preset, pitch: int = 60, seconds: float = 1.0) -> F32:
    settings = synth.profile.settings(preset.parameters)
    note = Note(0.0, 0.8 * seconds, pitch, 100)
    return host.render(GroupJob(settings, (note,), seconds, state=synth.state_of(preset)))


def levels(sound: F32) -> npt.NDArray[np.float64]:
    frames = sound.mean(axis=0)[: len(sound[0]) // 2205 * 2205].reshape(-1, 2205)
    return np.sqrt(np.mean(np.square(frames, dtype=np.float64), axis=1))


@pytest.mark.plugins
def test_zynaddsubfx_has_all_its_instruments(zynaddsubfx: Synth) -> None:
    presets = zynaddsubfx.presets()
    assert len(presets) > 1200
    assert len({preset.address for preset in presets}) == len(presets)
    assert sum(zynaddsubfx.repeats(preset) for preset in presets) > 900


@pytest.mark.plugins
def test_an_instrument_repeats_and_loses_its_envelope(zynaddsubfx: Synth, tmp_path: Path) -> None:
    pad, rhodes = (zynaddsubfx.preset(a) for a in ("Pads/0001-Sine Pad.xiz", "Rhodes/0001-DX Rhodes 1.xiz"))
    assert zynaddsubfx.repeats(pad)
    assert pad.state is not None
    with SnapshotHost(zynaddsubfx, scratch=tmp_path) as host:
        first, again, other = (played(host, zynaddsubfx, p) for p in (pad, pad, rhodes))
        as_it_is = State("zyn", zyn.instrument(pad.state, (), "x"))
        whole = host.render(GroupJob({}, (Note(0.0, 0.8, 60, 100),), 1.0, state=as_it_is))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    # The pad rings on for long after its note; without its envelope it ends with it.
    silent = levels(first)[18:].max() / levels(first)[:16].mean()
    assert silent < 0.05
    assert levels(whole)[18:].max() / levels(whole)[:16].mean() > 4 * silent


@pytest.mark.plugins
def test_old_instruments_keep_their_times(zynaddsubfx: Synth, tmp_path: Path) -> None:
    # Put into a state of the plugin's own version, their times are not found and its defaults stay.
    raw = zynaddsubfx.preset("Pads/0001-Sine Pad.xiz").state
    assert raw is not None
    sounds = []
    with SnapshotHost(zynaddsubfx, scratch=tmp_path) as host:
        for attack in (0, 60, 90):
            pins = (InstrumentPin(element="AMPLITUDE_ENVELOPE", values={"A_dt": attack}, why="tried"),)
            document = State("zyn", zyn.instrument(raw, pins, "x"))
            job = GroupJob({}, (Note(0.0, 1.5, 60, 100),), 1.5, state=document)
            sounds.append(levels(host.render(job)))
    arrival = [int(np.argmax(sound > 0.5 * sounds[0][10])) for sound in sounds]
    assert arrival[0] < arrival[1] < arrival[2]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"nothing", "not a ZynAddSubFX instrument"),
        (gzip.compress(b"<other/>", mtime=0), "it has no <INSTRUMENT>"),
        (b"\x1f\x8b broken", "not a ZynAddSubFX instrument"),
        (gzip.compress(b"x" * (zyn.LARGEST + 1), mtime=0), "larger than 16 MiB"),
    ],
)
def test_a_damaged_instrument_is_named(data: bytes, says: str) -> None:
    with pytest.raises(InputError, match=f"a.xiz.*{says}"):
        zyn.instrument(data, (), "a.xiz")


@pytest.fixture
def profile(nekobi: Path, tmp_path: Path) -> Path:
    """A user's own profile of Nekobi, its presets beside it: two states and bare values."""
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
    # Beside a state only pins are set: the state says the rest.
    assert presets["dark.fxp"].parameters == {"Accent": 0.0}
    with SnapshotHost(synth, scratch=tmp_path / "hosts") as host:
        host.check()
        sounds = {address: played(host, synth, preset) for address, preset in presets.items()}
        for address, preset in presets.items():
            np.testing.assert_array_equal(played(host, synth, preset), sounds[address])
    with SnapshotHost(synth, scratch=tmp_path / "hosts") as other:
        np.testing.assert_array_equal(played(other, synth, presets["dark.fxp"]), sounds["dark.fxp"])
    hashes = {sound.tobytes() for sound in sounds.values()}
    assert len(hashes) == 4
    assert centroid(sounds["bright.fxp"]) > 1.5 * centroid(sounds["dark.fxp"])


def centroid(sound: F32) -> float:
    magnitude = np.abs(np.fft.rfft(sound.mean(axis=0)[:32768]))
    return float(np.sum(np.arange(len(magnitude)) * magnitude) / np.sum(magnitude))


@pytest.mark.plugins
def test_a_plugin_of_which_nothing_is_known_plays(kars: Path, tmp_path: Path) -> None:
    synth = open_synth(str(kars))
    assert (synth.name, synth.deterministic) == ("Kars-vst", False)
    (init,) = synth.presets()
    with SnapshotHost(synth, scratch=tmp_path) as one, SnapshotHost(synth, scratch=tmp_path) as two:
        # It draws random numbers, which the host seeds: two processes give the same.
        np.testing.assert_array_equal(played(one, synth, init), played(two, synth, init))


@pytest.mark.plugins
def test_a_preset_that_the_plugin_does_not_take_is_its_own_failure(nekobi: Path, tmp_path: Path) -> None:
    synth = open_synth(str(nekobi))
    (init,) = synth.presets()
    foreign = Preset("x.fxp", "x", {}, "", b"CcnK" + bytes(8) + b"\x00\x00\x00\x01Nope" + bytes(60))
    with SnapshotHost(synth, scratch=tmp_path) as host:
        with pytest.raises(GroupFailure) as failure:
            played(host, synth, foreign)
        assert failure.value.reason == "unloadable"
        assert np.abs(played(host, synth, init)).max() > 0


@pytest.mark.plugins
def test_a_plugin_file_finds_its_profile(amsynth: Path, nekobi: Path) -> None:
    assert open_synth(str(amsynth)).name == "amsynth"
    assert load_profile(str(nekobi)).pinned == {}


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("a.fxp", b"RIFF", "not a .fxp file"),
        ("a.fxp", b"", "not a .fxp file"),
        ("a.yaml", b"- 1", "mapping from preset names"),
        ("a.yaml", b"x: {Cutoff: loud}", "mapping from preset names"),
    ],
)
def test_a_damaged_preset_file_is_named(tmp_path: Path, name: str, data: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=f"{name}.*{says}"):
        read_folder(tmp_path, "vst2", xiz=False)


def test_a_vst3_takes_vstpresets_only(tmp_path: Path) -> None:
    (tmp_path / "a.vstpreset").write_bytes(b"VST3" + bytes(60))
    (tmp_path / "b.fxp").write_bytes(b"CcnK" + bytes(60))
    assert [file.state and file.state[0] for file in read_folder(tmp_path, "vst3", xiz=False)] == [
        "vstpreset"
    ]


def test_an_unknown_parameter_in_bare_values_is_named(profile: Path) -> None:
    (profile.parent / "presets" / "bare.yaml").write_text("square: {Volumen: 1}")
    with pytest.raises(InputError, match=r"bare.yaml/square: parameter 'Volumen' is not in the profile"):
        open_synth(str(profile)).presets()
