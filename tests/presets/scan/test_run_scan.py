"""Scanning presets: what is measured, resuming, and any number of workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from manifests.dataset.canonical import sha256_file
from manifests.types import InputError
from presets.scan.scan_table import read_scan, scan_metadata
from presets.synths.synth import open_synth
from tests.support.presets.preset_scan import LIMIT, rows_by_preset, run_presets


def test_every_preset_has_a_row_in_order(scan: Path) -> None:
    named = [preset.address for preset in open_synth("builtin").presets()]
    scanned = list(rows_by_preset(scan))
    assert len(scanned) == LIMIT
    assert scanned == sorted(scanned, key=named.index)
    assert not scan.with_name(f"{scan.name}.parts").exists()


def test_measurements_agree_with_the_presets_parameters(scan: Path) -> None:
    for row in rows_by_preset(scan).values():
        assert row["status"] == "ok", row
        assert abs(float(str(row["pitch_cents"]))) < 5.0
        assert 0.0 <= float(str(row["stereo_width"])) <= 1.0
        # Velocity sensitivity is pinned to zero: another velocity gives the same sound.
        assert abs(float(str(row["velocity_db"]))) < 0.5
    synth = open_synth("builtin")
    for address, row in rows_by_preset(scan).items():
        parameters = synth.preset(address).parameters
        if parameters["sub_level"] == 0 and parameters["fm_index"] == 0 and row["usable"]:
            assert row["octave"] == parameters["octave"], address


def test_another_number_of_workers_gives_the_same_file(scan: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.parquet"
    assert run_presets("scan", "builtin", "--out", again, "--limit", LIMIT, "--workers", 2).returncode == 0
    assert sha256_file(again) == sha256_file(scan)


def test_a_killed_scan_resumes(scan: Path, tmp_path: Path) -> None:
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
    other = run_presets("scan", "builtin", "--out", out, "--limit", LIMIT - 1)
    assert other.returncode == 2
    assert "belongs to a different scan" in other.stderr
    assert first.stat().st_mtime_ns == before
    assert run_presets(*command[3:]).returncode == 0
    assert sha256_file(out) == sha256_file(scan)
    assert "holds this scan already" in run_presets(*command[3:]).stdout


def test_a_scan_is_listed_and_drawn(scan: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    shown = run_presets("show", "--scan", scan, "--plot", tmp_path / "overview.png")
    assert shown.returncode == 0, shown.stderr
    assert len([line for line in shown.stdout.splitlines() if line.startswith("named/")]) == LIMIT
    assert (tmp_path / "overview.png").read_bytes().startswith(b"\x89PNG")


def test_files_other_than_scans_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 but no more")
    with pytest.raises(InputError, match="not a scan"):
        read_scan(tmp_path / "a.parquet")
    failed = run_presets("scan", "builtin", "--out", tmp_path / "a.parquet", "--banks", "named,nothing")
    assert failed.returncode == 2
    assert "no such bank" in failed.stderr


@pytest.mark.plugins
def test_amsynth_scan_agrees_with_field_measurements(amsynth: Path, tmp_path: Path) -> None:
    out = tmp_path / "amsynth.parquet"
    done = run_presets("scan", amsynth, "--out", out, "--limit", 24)
    assert done.returncode == 0, done.stderr
    results = read_scan(out).to_pylist()
    assert {one["synth"] for one in results} == {"amsynth"}
    assert sum(one["status"] == "ok" for one in results) >= 22
    # Of all presets 70% hold their level and most of these have a pitch (field measurements).
    assert 8 <= sum(one["usable"] for one in results) <= 22
    assert scan_metadata(out)["threshold"] > 0.0
