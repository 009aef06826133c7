"""Names as they are out there: bytes that are no UTF-8, and what terminals would read as markup."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from manifests.child_process import environment, module_command
from tests.support import commands, datasets, odd_midi, odd_presets
from tests.support.paths import ROOT
from tests.support.presets.plugins import NEKOBI_ID, nekobi
from tests.support.tunes import RATE, tune

NAME = os.fsdecode(b"caf\xe9 [v2] :bug:")
SHOWN = "caf\\xe9 [v2] :bug:"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Makes a folder of such a name, within which `[` and `b]` close a tag of rich's markup."""
    folder = tmp_path / f"{NAME} [" / "b]"
    folder.mkdir(parents=True)
    return folder


def succeed(*command: str | Path) -> str:
    """Runs a command that must succeed; returns its stdout and stderr."""
    done = commands.run(str(command[0]), *command[1:])
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_datasets_have_any_name(place: Path) -> None:
    midi, data = place / "midi", place / NAME
    midi.mkdir()
    (midi / f"{NAME}.mid").write_bytes(odd_midi.WHOLE["RMID"])
    (midi / f"bad {NAME}.mid").write_bytes(b"no music")
    refused = commands.run("midi", "extract", midi, "--out", place / "p.parquet")
    assert f"[/b]/midi/bad {SHOWN}.mid: not a MIDI file" in refused.stderr
    phrases = {**datasets.TINY["phrases"], "midi": {"folder": "midi", "count": 1}}
    config = datasets.write_config(place, phrases=phrases)
    made = subprocess.run(
        module_command("render", "make", str(config), "--out", NAME, "--skip-bad"),
        cwd=place, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert f"left out: midi/bad {SHOWN}.mid" in made.stderr
    assert f"{SHOWN}: done, 200 clips" in made.stderr
    assert f"/b]/{SHOWN}: no defect found" in succeed(
        "manifests", "audit", data, "--html", place / f"{NAME}.html"
    )
    assert "200" in succeed("manifests", "query", data, "SELECT count(*) FROM clips")
    assert SHOWN in succeed("manifests", "query", data, "SELECT source FROM phrases")
    assert f"{SHOWN} f: 12 clips" in succeed(
        "manifests", "fetch", data, "--where", "block = 0", "--out", place / f"{NAME} f"
    )
    assert f"{SHOWN}/tones: 6 timbres" in succeed("render", "tones", data)
    assert "DIFFERENT" not in succeed("manifests", "diff", data, data)


def test_recordings_have_any_name(place: Path) -> None:
    for pair in range(2):
        for role, timbre in (("orig", 0), ("ref", 1), ("gt", 1), ("mine", 2)):
            stereo = np.stack([tune(0.4, timbre)] * 2, axis=1)
            soundfile.write(os.fsencode(place / f"{NAME}{pair}_{role}.wav"), stereo, RATE)
    source, reference = place / f"{NAME}0_orig.wav", place / f"{NAME}0_ref.wav"
    out = place / f"{NAME}.flac"
    said = succeed("train", "convert", "--source", source, "--reference", reference, "--out", out)
    assert f"{SHOWN}0_orig.wav: 2 channels, mixed to mono" in said
    assert soundfile.info(os.fsencode(out)).frames == round(0.4 * RATE)
    succeed("train", "encode", source, "--out", place / f"{NAME} e")
    succeed("train", "decode", place / f"{NAME} e", "--out", place / f"{NAME} d.wav")
    scores = place / f"{NAME} scores"
    said = succeed("train", "evaluate", "--folder", place, "--out", scores, "--workers", "1")
    assert f"{SHOWN} scores/scores.parquet" in said
    page = place / f"{NAME}.html"
    succeed("train", "page", "--folder", place, "--scores", scores, "--out", page)
    assert json.dumps(SHOWN)[1:-1] in page.read_text(encoding="utf-8")


def test_presets_have_any_name(place: Path) -> None:
    presets = place / NAME
    presets.mkdir()
    program = odd_presets.program("Lead", [0.5])
    (presets / f"{NAME}.fxp").write_bytes(program.replace(odd_presets.PLUGIN_ID, NEKOBI_ID))
    (presets / f"bad {NAME}.fxp").write_bytes(b"RIFF")
    (presets / "home").mkdir()
    shutil.copy(nekobi(), presets / "plugin.so")
    values = {"name": "mine", "kind": "vst2", "plugin": "plugin.so", "banks": ".", "warm_up_s": 0.1}
    profile = place / f"{NAME}.yaml"
    values |= {"deterministic": True, "wait_s": 0, "home": "home"}
    profile.write_text(yaml.safe_dump(values), encoding="utf-8")
    profile = profile.rename(presets / profile.name)
    refused = commands.run("presets", "list", profile)
    assert f"{SHOWN}/bad {SHOWN}.fxp: not a .fxp file" in refused.stderr
    assert f"{SHOWN}.fxp\t" in succeed("presets", "list", profile, "--skip-bad")
    config = datasets.write_config(place / "c", timbres=[{"synth": "mine.yaml", "count": 2}])
    (presets / profile.name).rename(presets / "mine.yaml")
    planned = subprocess.run(
        module_command("render", "plan", str(config), "--out", str(place / "planned"), "--skip-bad"),
        cwd=presets, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert planned.returncode == 0, planned.stderr
    assert commands.run("render", "status", place / "planned").returncode == 0


def test_configs_are_utf8_whatever_the_locale(tmp_path: Path) -> None:
    config = datasets.write_config(tmp_path)
    config.write_text("# Größe\n" + config.read_text(), encoding="utf-8-sig")
    latin = {**environment(), "PYTHONUTF8": "0", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        module_command("render", "plan", str(config), "--out", str(tmp_path / "größe")),
        env=latin, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert b"gr\\xf6\\xdfe" in done.stderr or "größe".encode() in done.stderr or b"\\xc3\\xb6" in done.stderr


def test_no_console_reads_markup() -> None:
    """All consoles of commands are made by `manifests.cli.console.terminal`."""
    makers = []
    for package in ("manifests", "midi", "presets", "render", "train"):
        for path in sorted((ROOT / package).rglob("*.py")):
            calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
            named = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "Console"]
            quiet = [call for call in named if any(word.arg == "quiet" for word in call.keywords)]
            makers += [str(path.relative_to(ROOT))] * (len(named) - len(quiet))
    assert makers == ["manifests/cli/console.py"]
