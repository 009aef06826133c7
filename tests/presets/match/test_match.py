"""Matching presets: a sound of the scanned synth is found again, with its envelope; bad input is refused."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from manifests.cli import console
from manifests.dsp.timbre_embedding import embed
from manifests.synthesis.compose import peak_value, to_int16
from manifests.types import Envelope, InputError, Note
from presets.cli.app import app
from presets.host.client import SnapshotHost
from presets.match.nearest import nearest_playable, rank, transposed
from presets.scan.scan_table import read_scan
from presets.synths.profile import load_profile
from presets.synths.synth import open_synth
from presets.tones.playing import PlayedCell, PlaySpec, play_group
from tests.support.presets.preset_scan import run_presets

RATE = 44_100
NOTES = tuple(Note(0.1 + 0.5 * index, 0.35, pitch, 110) for index, pitch in enumerate((55, 62, 59, 67)))
ENVELOPE = Envelope(12.0, 150.0, 0.5, 90.0)


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scans a dozen of the built-in synth's named presets."""
    out = tmp_path_factory.mktemp("scan") / "timbres.parquet"
    done = run_presets("scan", "builtin", "--out", out, "--limit", 12)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def wanted(scan: Path) -> str:
    """Names a usable preset of the scan, which sounds where its notes are written."""
    rows = [row for row in read_scan(scan).to_pylist() if row["distinct"] and row["octave"] == 0]
    return str(rows[2]["preset"])


@pytest.fixture(scope="module")
def recording(wanted: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Plays notes on that preset."""
    synth = open_synth("builtin")
    with SnapshotHost(synth, rate=RATE) as host:
        spec = PlaySpec(RATE, round(2.4 * RATE), 3.0)
        (sound,) = play_group(host, synth, synth.preset(wanted), [PlayedCell(NOTES, ENVELOPE)], spec)
    path = tmp_path_factory.mktemp("recording") / "wanted.wav"
    soundfile.write(path, to_int16(sound, peak_value(-1.0))[0], RATE)
    return path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["presets", "match", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        console.main(app)
    return int(ended.value.code or 0)


def test_a_sound_of_the_synth_is_found_with_its_envelope(
    scan: Path, recording: Path, wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "match.html"
    assert run(monkeypatch, recording, "--scan", scan, "--out", out) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    distances = [float(line.split("\t")[0]) for line in lines[:5]]
    assert lines[0].split("\t")[1] == wanted
    assert distances[0] < 0.1
    assert distances == sorted(distances)
    page = out.read_text()
    assert page.count("data:audio/flac;base64,") == 6
    assert not re.search(r'(src|href)="https?:', page)
    # The codec plays the timbre so that it is near to its preset in the scan, nearer than to the others.
    scanned = [float(far) for _, far in re.findall(r"<td>([\d.]+)</td><td>([\d.]+)</td>", page)[:5]]
    assert scanned[0] == min(scanned)
    assert scanned[0] < 0.2
    sustain = re.search(r"amp_sustain = ([\d.]+)", page)
    attack = re.search(r"amp_attack = ([\d.]+)", page)
    assert sustain is not None
    assert attack is not None
    assert float(sustain[1]) == pytest.approx(0.5, abs=0.06)
    assert float(attack[1]) == pytest.approx(12.0, rel=0.3)


def test_the_scan_holds_embeddings_of_unit_length(scan: Path) -> None:
    rows = read_scan(scan).to_pylist()
    lengths = [np.linalg.norm(row["embedding"]) for row in rows if row["status"] == "ok"]
    assert lengths == pytest.approx([1.0] * len(lengths), abs=1e-5)
    usable = [row for row in rows if row["usable"]]
    ranked = rank(rows, {0: np.array(usable[5]["embedding"])})
    assert ranked[0][1]["preset"] == usable[5]["preset"]
    assert ranked[0][0] == pytest.approx(0.0, abs=1e-6)
    assert len(ranked) == len(usable)
    with pytest.raises(InputError, match="no usable preset"):
        rank([{**rows[0], "usable": False}], {0: np.zeros(1)})
    assert embed(np.zeros(RATE), RATE) is None


def test_bad_recordings_are_refused_in_one_line(
    scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.wav").write_text("no audio")
    (tmp_path / "film.mp4").write_bytes(b"\0\0\0\x20ftypisom" + bytes(5000))
    soundfile.write(tmp_path / "long.flac", np.ones(600 * 8000, dtype=np.int16), 8000)
    soundfile.write(tmp_path / "silence.wav", np.zeros(RATE, dtype=np.int16), RATE)
    for name, reason in (
        ("text.wav", "not a readable audio file"),
        ("film.mp4", "not a readable audio file"),
        ("long.flac", "longer than 60 s"),
        ("silence.wav", "silent"),
        ("none.wav", "no such file"),
    ):
        out = ["--scan", scan, "--out", tmp_path / "match.html"]
        assert run(monkeypatch, tmp_path / name, *out) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert line.startswith(f"error: {tmp_path / name}: {reason}"), line
    assert run(monkeypatch, tmp_path / "text.wav", "--scan", scan, "--out", tmp_path / "page.txt") == 2
    assert "expected a file name that ends in .html" in capsys.readouterr().err
    assert run(monkeypatch, tmp_path / "a.wav", "--scan", tmp_path / "text.wav", "--out", "p.html") == 2
    assert "not a scan" in capsys.readouterr().err


def test_envelopes_are_fitted_to_the_synth() -> None:
    amsynth = load_profile("amsynth")
    asked = Envelope(50.0, 1e4, 0.5, 6e4, 30.0, "exponential")
    played = nearest_playable(amsynth, asked)
    assert amsynth.envelope is not None
    assert played.curve == amsynth.envelope.shape
    assert played.hold_ms == 0.0
    amsynth.envelope.parameter_values(played, amsynth.parameters)
    own = nearest_playable(load_profile("builtin"), Envelope(5.0, 100.0, 0.5, 80.0, 20.0))
    assert own == Envelope(5.0, 100.0, 0.5, 80.0, 20.0)


def test_notes_are_moved_by_octaves_within_midi() -> None:
    moved = transposed(NOTES, -1)
    assert moved is not None
    assert [note.pitch for note in moved] == [43, 50, 47, 55]
    assert transposed(NOTES, 6) is None
