"""Scanning: what is measured, that it resumes, that workers change nothing, and what a config takes of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from manifests.dataset.canonical import sha256_file
from manifests.types import InputError
from presets.analysis.similarity import BANDS
from presets.scan.distinct import compare
from presets.scan.scan import about, read_scan
from presets.scan.selection import Conditions, selected
from presets.synths.synths import open_synth
from tests.support import rendered

LIMIT = 40


def presets(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "presets", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scan of some of the built-in synth's named presets by one worker."""
    out = tmp_path_factory.mktemp("scan") / "timbres.parquet"
    done = presets("scan", "builtin", "--out", out, "--limit", LIMIT)
    assert done.returncode == 0, done.stderr
    assert f"presets    {LIMIT}" in done.stdout
    return out


def rows(scan: Path) -> dict[str, dict[str, object]]:
    return {str(row["preset"]): row for row in read_scan(scan).to_pylist()}


def test_every_preset_has_a_row_in_order(scan: Path) -> None:
    named = [preset.address for preset in open_synth("builtin").presets()]
    found = list(rows(scan))
    assert len(found) == LIMIT
    assert found == sorted(found, key=named.index)
    assert not scan.with_name(f"{scan.name}.parts").exists()


def test_what_is_measured_is_what_is_known_of_the_presets(scan: Path) -> None:
    for row in rows(scan).values():
        assert row["status"] == "ok", row
        assert abs(float(str(row["pitch_cents"]))) < 5.0
        assert 0.0 <= float(str(row["stereo_width"])) <= 1.0
        # The synth's velocity is pinned away: another velocity is the same sound.
        assert abs(float(str(row["velocity_db"]))) < 0.5
    synth = open_synth("builtin")
    for address, row in rows(scan).items():
        parameters = synth.preset(address).parameters
        if parameters["sub_level"] == 0 and parameters["fm_index"] == 0 and row["usable"]:
            assert row["octave"] == parameters["octave"], address


def test_another_number_of_workers_gives_the_same_file(scan: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.parquet"
    assert presets("scan", "builtin", "--out", again, "--limit", LIMIT, "--workers", 2).returncode == 0
    assert sha256_file(again) == sha256_file(scan)


def test_a_killed_scan_goes_on(scan: Path, tmp_path: Path) -> None:
    out = tmp_path / "killed.parquet"
    command = [sys.executable, "-m", "presets", "scan", "builtin", "--out", str(out), "--limit", str(LIMIT)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    first = out.with_name(f"{out.name}.parts") / "000000.json"
    for _ in range(600):
        if first.exists():
            break
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert first.exists()
    assert not out.exists()
    before = first.stat().st_mtime_ns
    other = presets("scan", "builtin", "--out", out, "--limit", LIMIT - 1)
    assert other.returncode == 2
    assert "begun otherwise" in other.stderr
    assert first.stat().st_mtime_ns == before
    assert presets(*command[3:]).returncode == 0
    assert sha256_file(out) == sha256_file(scan)
    assert "is this scan already" in presets(*command[3:]).stdout


def test_a_scan_is_listed_and_drawn(scan: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    shown = presets("show", "--scan", scan, "--plot", tmp_path / "overview.png")
    assert shown.returncode == 0, shown.stderr
    assert len([line for line in shown.stdout.splitlines() if line.startswith("named/")]) == LIMIT
    assert (tmp_path / "overview.png").read_bytes().startswith(b"\x89PNG")


def row(preset: str, loud: list[float], soft: list[float], **more: object) -> dict[str, object]:
    good = {"status": "ok", "level_variation_db": 0.1, "pitch_confidence": 1.0, "audio_sha256": preset}
    errors = {"fingerprint_error": [0.1] * BANDS, "fingerprint_soft_error": [0.1] * BANDS}
    return {"preset": preset, **good, "fingerprint": loud, "fingerprint_soft": soft, **errors, **more}


def test_near_presets_are_one_timbre_and_failures_none() -> None:
    random = np.random.default_rng(0)
    base = random.uniform(-60.0, 0.0, (20, BANDS))
    some = [row(f"a{i}", list(x), list(x + random.normal(0, 0.5, BANDS))) for i, x in enumerate(base)]
    # Louder as a whole is no other timbre, and hardly different is none either.
    twin = row("twin", list(base[3] + 0.01), list(base[3]))
    unsteady = row("unsteady", list(base[0] + 30), list(base[0]), level_variation_db=5.0)
    failed = row("failed", [], [], status="silent", audio_sha256=None)
    same = row("same", list(base[5]), list(base[5]), audio_sha256="a5")
    compared, known = compare([*some, twin, unsteady, failed, same])
    by = {str(one["preset"]): one for one in compared}
    assert sum(bool(one["distinct"]) for one in compared) == 20
    assert {by["twin"]["near"], by["a3"]["near"]} == {"a3", None} or by["a3"]["near"] == "twin"
    assert not by["unsteady"]["usable"]
    assert not by["failed"]["usable"]
    assert by["same"]["same_audio"] == "a5"
    assert by["a5"]["same_audio"] is None
    assert known["compared"] == 22


def test_conditions_are_ranges_and_allowed_values(scan: Path) -> None:
    synth = open_synth("builtin")
    everything = rows(scan)
    bright = selected(scan, synth, {"brightness_hz": [2000, None], "octave": [0, 0]})
    expected = [
        address
        for address, one in everything.items()
        if float(str(one["brightness_hz"])) >= 2000 and one["octave"] == 0
    ]
    assert bright == expected
    assert 0 < len(bright) < LIMIT
    assert selected(scan, synth, {"character": ["noisy", "harmonic"]})
    assert selected(scan, synth, None) == [a for a, one in everything.items() if one["distinct"]]


@pytest.mark.parametrize(
    ("conditions", "says"),
    [
        ({"colour": True}, "no column 'colour'"),
        ({"octave": 0}, r"expected a range \[low, high\]"),
        ({"usable": "yes"}, "expected bool"),
        ({"fingerprint": [0, 1]}, "no column 'fingerprint'"),
    ],
)
def test_a_wrong_condition_is_named(scan: Path, conditions: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        selected(scan, open_synth("builtin"), conditions)  # type: ignore[arg-type]


def test_a_dataset_takes_only_what_the_scan_passes(scan: Path, tmp_path: Path) -> None:
    select: Conditions = {"distinct": True, "brightness_hz": [1000, 6000]}
    timbres = [{"synth": "builtin", "count": 4, "scan": str(scan), "select": select}]
    config = rendered.write_config(tmp_path, timbres=timbres)
    rendered.succeed("render", "make", config, "--out", tmp_path / "dataset")
    taken = pq.read_table(tmp_path / "dataset" / "timbres.parquet")["preset"].to_pylist()
    assert len(taken) == 4
    assert set(taken) <= set(selected(scan, open_synth("builtin"), select))


def test_a_file_that_is_no_scan_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 but no more")
    with pytest.raises(InputError, match="not a scan"):
        read_scan(tmp_path / "a.parquet")
    failed = presets("scan", "builtin", "--out", tmp_path / "a.parquet", "--banks", "named,nothing")
    assert failed.returncode == 2
    assert "no such bank" in failed.stderr


@pytest.mark.plugins
def test_amsynth_is_scanned_with_what_is_known_of_it(amsynth: Path, tmp_path: Path) -> None:
    out = tmp_path / "amsynth.parquet"
    done = presets("scan", amsynth, "--out", out, "--limit", 24)
    assert done.returncode == 0, done.stderr
    found = read_scan(out).to_pylist()
    assert {one["synth"] for one in found} == {"amsynth"}
    assert sum(one["status"] == "ok" for one in found) >= 22
    # Of all presets 70% hold their level and most of these have a pitch (field measurements).
    assert 8 <= sum(one["usable"] for one in found) <= 22
    assert about(out)["threshold"] > 0.0
