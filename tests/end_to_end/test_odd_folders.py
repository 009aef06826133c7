"""Folders as they are out there, as whole commands: litter, bad files among good ones, odd endings."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import yaml

from manifests.dataset.layout import read_table
from tests.support import commands, datasets, litter, odd_midi, odd_presets
from tests.support.presets.plugins import NEKOBI_ID, nekobi


def test_litter_in_a_dataset_is_no_part_of_it(tiny: Path, tmp_path: Path) -> None:
    dataset = tmp_path / "dataset"
    shutil.copytree(tiny, dataset)
    litter.scatter(dataset)
    assert "nothing left to render" in commands.run("render", "run", dataset).stderr
    report = json.loads(commands.succeed("manifests", "audit", dataset, "--deep", "--json"))
    assert report["findings"] == []
    assert commands.succeed("manifests", "diff", tiny, dataset).count("DIFFERENT") == 0
    (dataset / "clips" / "notes.txt").write_text("mine")
    assert commands.run("render", "run", dataset).returncode == 0
    found = json.loads(commands.run("manifests", "audit", dataset, "--json").stdout)["findings"]
    assert [(one["check"], one["where"]) for one in found] == [("foreign", "clips/notes.txt")]


def test_a_folder_that_holds_only_litter_is_empty(tmp_path: Path) -> None:
    (tmp_path / "dataset").mkdir()
    litter.scatter(tmp_path / "dataset")
    commands.succeed("render", "plan", datasets.write_config(tmp_path), "--out", tmp_path / "dataset")


def midi_folder(folder: Path) -> Path:
    folder.mkdir()
    for number, (name, data) in enumerate(odd_midi.WHOLE.items()):
        ending = ("mid", "MID", "kar", "rmi", "midi")[number % 5]
        (folder / f"{name}.{ending}").write_bytes(data)
    litter.scatter(folder)
    (folder / "about.txt").write_text("tunes")
    return folder


def test_odd_midi_files_are_all_read(tmp_path: Path) -> None:
    folder = midi_folder(tmp_path / "midi")
    done = commands.run("midi", "extract", folder, "--out", tmp_path / "p.parquet")
    assert done.returncode == 0, done.stderr
    phrases = read_table(tmp_path / "p.parquet", "phrases").to_pylist()
    assert len(phrases) == len(odd_midi.WHOLE)
    assert {tuple(note["onset"] for note in row["notes"]) for row in phrases} == {(0.0, 0.25, 0.5, 0.75)}
    assert "a tempo change without its three bytes was left out: 1 time in 1 file" in done.stderr
    assert "1 files were passed over by their names (.txt 1)" in done.stderr
    assert "._" not in done.stderr


def test_bad_midi_files_are_found_in_one_run(tmp_path: Path) -> None:
    folder, out = midi_folder(tmp_path / "midi"), tmp_path / "p.parquet"
    for name, data in odd_midi.BAD.items():
        (folder / f"bad {name}.mid").write_bytes(data)
    refused = commands.run("midi", "extract", folder, "--out", out)
    assert refused.returncode == 2
    assert not out.exists()
    for name in odd_midi.BAD:
        assert f"error: {folder}/bad {name}.mid: " in refused.stderr
    assert f"{len(odd_midi.BAD)} files cannot be read; --skip-bad" in refused.stderr
    done = commands.run("midi", "extract", folder, "--out", out, "--skip-bad")
    assert done.returncode == 0
    assert f"{len(odd_midi.BAD)} of {len(odd_midi.BAD) + len(odd_midi.WHOLE)} files left out" in done.stderr
    assert len(pq.read_table(out)) == len(odd_midi.WHOLE)


def test_phrases_that_come_out_empty_say_why(tmp_path: Path) -> None:
    (tmp_path / "midi").mkdir()
    stopped = b"\x00\xff\x51\x03\x00\x00\x00" + odd_midi.FOUR_NOTES + odd_midi.END
    (tmp_path / "midi" / "stopped.mid").write_bytes(odd_midi.midi(stopped))
    short = odd_midi.FOUR_NOTES.replace(b"\x60\x30\x80", b"\x60\x01\x80") + odd_midi.END
    (tmp_path / "midi" / "short.mid").write_bytes(odd_midi.midi(short))
    done = commands.run("midi", "extract", tmp_path / "midi", "--out", tmp_path / "p.parquet")
    assert done.returncode == 2
    assert "no phrase found in 2 files" in done.stderr
    assert "short.mid track 0: all its notes are shorter than 30 ms" in done.stderr
    assert "stopped.mid: all its notes last no time (a tempo of 0, or no ticks)" in done.stderr


def test_bad_presets_are_found_in_one_run_before_anything_is_rendered(tmp_path: Path) -> None:
    presets = tmp_path / "presets"
    presets.mkdir()
    (presets / "one.yaml").write_text("saw: {}\n")
    program = odd_presets.program("Lead", [0.5])
    (presets / "Lead.FXP").write_bytes(program.replace(odd_presets.PLUGIN_ID, NEKOBI_ID))
    for name in ("x.fxp", "y.fxp"):
        (presets / name).write_bytes(b"RIFF")
    litter.scatter(presets)
    (tmp_path / "home").mkdir()
    profile = tmp_path / "mine.yaml"
    values = {"name": "mine", "kind": "vst2", "plugin": str(nekobi()), "banks": "presets", "warm_up_s": 0.1}
    profile.write_text(yaml.safe_dump({**values, "deterministic": True, "wait_s": 0, "home": "home"}))
    config = datasets.write_config(tmp_path, timbres=[{"synth": str(profile), "count": 2}])
    for command in (("presets", "list", profile), ("render", "plan", config, "--out", tmp_path / "out")):
        refused = commands.run(*map(str, command))
        assert refused.returncode == 2
        assert [name in refused.stderr for name in ("x.fxp", "y.fxp", "._")] == [True, True, False]
        skipped = commands.run(*map(str, command), "--skip-bad")
        assert skipped.returncode == 0, skipped.stderr
        assert "2 of 4 files left out" in skipped.stderr
    assert skipped.stderr.count("planned") == 1
    (presets / "another.yaml").write_text("square: {}\n")
    again = commands.run("render", "plan", config, "--out", tmp_path / "out", "--skip-bad")
    assert "changed since" in again.stderr
    assert "holds another dataset" not in again.stderr


def test_a_parquet_file_that_another_tool_wrote_again_is_named_as_such(tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny, tmp_path / "dataset")
    path = tmp_path / "dataset" / "phrases.parquet"
    pq.write_table(pq.read_table(path).replace_schema_metadata(None), path)
    done = commands.run("render", "run", tmp_path / "dataset")
    assert (
        "another tool wrote this table"
        in done.stderr + commands.run("manifests", "show", tmp_path / "dataset").stderr
    )
