"""Presets that are not the plugin's own, or change nothing, are refused; with real plugins."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from typer.testing import CliRunner

from manifests.types import InputErrors
from presets.cli.app import app
from presets.host.client import GroupFailure, SnapshotHost
from presets.host.usable import usable_presets
from presets.synths.synth import Synth, open_synth
from tests.support.odd_presets import program
from tests.support.presets.dpf_plugins import save_state
from tests.support.presets.odd_synth_builds import Build, odd_profile


def fxp(chunk: bytes, plugin: bytes = b"Odd1") -> bytes:
    body = b"FPCh" + struct.pack(">i4sii28sI", 1, plugin, 1, 1, b"name", len(chunk)) + chunk
    return b"CcnK" + struct.pack(">I", len(body)) + body


def own_chunk(plugin: Path, tone: float, folder: Path) -> bytes:
    path = folder / "saved"
    save_state(plugin, {"Tone": tone}, path)
    return path.read_bytes()[160:]


@pytest.fixture
def synth(odd: Build, tmp_path: Path) -> Synth:
    """Opens the synth with good presets, its default, one of another plugin and two without its data."""
    plugin, folder = odd(), tmp_path / "presets"
    folder.mkdir()
    good = own_chunk(plugin, 0.9, tmp_path)
    files = {
        "default": fxp(own_chunk(plugin, 0.5, tmp_path)),
        "foreign": fxp(good, b"Othr"),
        "good": fxp(good),
        "values": program("values", [0.0, 0.0, 1.0, 0.0, 0.1]).replace(b"Tst1", b"Odd1"),
        "words": fxp(b"no state of this plugin at all"),
        "zeroed": fxp(b"\1" + bytes(len(good) - 1)),
    }
    for name, data in files.items():
        (folder / f"{name}.fxp").write_bytes(data)
    return open_synth(str(odd_profile(plugin, banks=str(folder))))


def test_presets_of_another_plugin_are_listed_as_bad(synth: Synth) -> None:
    with pytest.raises(InputErrors, match=r"foreign\.fxp: .*its id is 'Othr', this plugin's is 'Odd1'"):
        usable_presets(synth)
    said: list[str] = []
    assert len(usable_presets(synth, skip_bad=True, say=said.append)) == 5
    assert said[-1] == "1 of 6 files left out, since they cannot be read"


def test_states_that_change_nothing_are_refused(synth: Synth, tmp_path: Path) -> None:
    refused = {}
    with SnapshotHost(synth, scratch=tmp_path / "host") as host:
        for preset in synth.presets():
            try:
                host.check_state(synth.preset_state(preset))
            except GroupFailure as failure:
                refused[preset.address] = (failure.reason, failure.detail[:20])
    nothing = ("unloadable", "it changes nothing: ")
    assert refused == {
        "foreign.fxp": ("unloadable", "it is a preset of an"),
        "words.fxp": nothing,
        "zeroed.fxp": nothing,
    }


def test_a_scan_names_them(synth: Synth, tmp_path: Path) -> None:
    table = tmp_path / "scan.parquet"
    done = CliRunner().invoke(app, ["scan", synth.source, "--out", str(table), "--skip-bad"])
    assert done.exit_code == 0, done.output
    assert "failed     2 (unloadable 2)" in done.output
    shown = CliRunner().invoke(app, ["show", "--scan", str(table)])
    assert "zeroed.fxp\tzeroed\tunloadable: it changes nothing" in shown.output


@pytest.mark.plugins
def test_real_presets_pass(amsynth: Path, tmp_path: Path) -> None:
    folder = tmp_path / "presets"
    folder.mkdir()
    save_state(amsynth, {"amp_attack": 0.4}, folder / "soft.fxb")
    save_state(amsynth, {}, folder / "init.fxb")
    foreign = (folder / "soft.fxb").read_bytes()
    (folder / "other.fxp").write_bytes(foreign[:16] + b"Zyn1" + foreign[20:])
    profile = tmp_path / "amsynth-files.yaml"
    fields = {"name": "files", "kind": "vst2", "plugin": str(amsynth), "banks": "presets"}
    profile.write_text(json.dumps({**fields, "deterministic": True, "warm_up_s": 0.2}))
    opened = open_synth(str(profile))
    assert [preset.address for preset in usable_presets(opened, skip_bad=True)] == ["init.fxb", "soft.fxb"]
    with SnapshotHost(opened, scratch=tmp_path / "host") as host:
        for preset in usable_presets(opened, skip_bad=True):
            host.check_state(opened.preset_state(preset))
