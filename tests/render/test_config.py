"""Invalid configs: a one-line error, exit code 2, and nothing written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mido
import pytest

from tests.support import commands, datasets


def planning_error(tmp_path: Path, **changes: Any) -> str:
    """Returns the one-line error of planning a config, and checks that nothing was written."""
    done = commands.run(
        "render", "plan", datasets.write_config(tmp_path, **changes), "--out", tmp_path / "out"
    )
    assert done.returncode == 2, done.stderr
    assert not (tmp_path / "out").exists()
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    return lines[0]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"sampel_rate": 44_100}, ["config.yaml", "sampel_rate", "unknown setting"]),
        ({"clip": {"secnds": 3}}, ["clip.secnds", "unknown setting"]),
        ({"clip": {"seconds": -1}}, ["clip.seconds", "-1"]),
        ({"clip": {"rate": "high"}}, ["clip.rate", "'high'"]),
        ({"splits": {"test_timbres": 1.5}}, ["splits.test_timbres", "1.5"]),
        ({"tones": {"lowest_pitch": 80, "highest_pitch": 60}}, ["tones", "highest_pitch is below"]),
        ({"blocks": {"timbres": 1}}, ["blocks.timbres", "2"]),
        ({"name": "../escape"}, ["name"]),
        ({"timbres": []}, ["timbres"]),
        ({"timbres": [{"synth": "moog", "count": 4}]}, ["moog"]),
        ({"phrases": {}}, ["phrases", "generated"]),
        (
            {"phrases": {"generated": {"count": 8, "generate": {"register": [-1, 1]}}}},
            ["phrases.generated.generate", "pitches 36..91", "beyond the tones' 52..72"],
        ),
        (
            {"phrases": {"generated": {"count": 8, "generate": {"register": [1, -1]}}}},
            ["phrases.generated.generate", "register", "[1, -1]"],
        ),
    ],
)
def test_an_invalid_setting_is_named(tmp_path: Path, changes: dict[str, Any], named: list[str]) -> None:
    line = planning_error(tmp_path, **changes)
    for word in named:
        assert word in line


def test_a_missing_plugin_is_named(tmp_path: Path) -> None:
    timbres = [{"synth": "amsynth", "count": 4, "plugin": str(tmp_path / "nowhere.so")}]
    assert "nowhere.so" in planning_error(tmp_path, timbres=timbres)


def test_a_config_that_is_missing_or_no_yaml_is_named(tmp_path: Path) -> None:
    done = commands.run("render", "plan", tmp_path / "none.yaml", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "none.yaml: no such config file" in done.stderr
    (tmp_path / "bad.yaml").write_text("a: [1,")
    done = commands.run("render", "plan", tmp_path / "bad.yaml", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "bad.yaml: not a YAML config" in done.stderr


def _midi(path: Path, polyphonic: bool) -> None:
    track = mido.MidiTrack()
    for pitch in range(60, 68):
        track.append(mido.Message("note_on", note=pitch, velocity=90, time=0))
        if polyphonic:
            track.append(mido.Message("note_on", note=pitch - 12, velocity=90, time=0))
        track.append(mido.Message("note_off", note=pitch, time=200))
        if polyphonic:
            track.append(mido.Message("note_off", note=pitch - 12, time=0))
    midi = mido.MidiFile()
    midi.tracks.append(track)
    midi.save(str(path))


def test_unusable_midi_folders_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "midi"

    def phrases(**extract: Any) -> dict[str, Any]:
        return {"midi": {"folder": str(folder), "count": 1, "extract": extract}}

    assert "midi" in planning_error(tmp_path, phrases=phrases())
    folder.mkdir()
    assert "midi" in planning_error(tmp_path, phrases=phrases())
    (folder / "text.mid").write_text("this is no MIDI file")
    assert "text.mid" in planning_error(tmp_path, phrases=phrases())
    (folder / "text.mid").unlink()
    _midi(folder / "chords.mid", polyphonic=True)
    assert "chords.mid" in planning_error(tmp_path, phrases=phrases(polyphony="refuse"))


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    done = commands.run("render", "plan", datasets.write_config(tmp_path), "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "is not empty" in done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_a_folder_without_a_dataset_is_named(tmp_path: Path) -> None:
    for package, verb in (
        ("render", "run"),
        ("render", "status"),
        ("manifests", "audit"),
        ("manifests", "show"),
    ):
        done = commands.run(package, verb, tmp_path)
        assert done.returncode == 2
        assert "no dataset.json" in done.stderr
