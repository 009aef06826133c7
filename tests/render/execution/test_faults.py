"""Faults: crashed presets are recorded and substituted, blocks stay full, machine faults end the run."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from manifests.dataset.layout import Layout
from presets.host import client as host_module
from presets.synths.jobs import Limits
from render import config as configs
from render.casting.cast import cast, try_preset
from render.clips.dataset import MachineFault, PlannedDataset
from render.execution.run import run
from render.tones import ToneSetCache
from tests.support import commands, datasets
from tests.support.paths import ROOT
from tests.support.presets import faulty_host as faulty

SHARD = "shards/train/shard-000000.tar"
FAMILY = {"attack_ms": [10, 50], "decay_ms": [50, 200], "sustain": [0, 0.5], "release_ms": [30, 120]}
FEW = {
    "shaping": "plugin",
    "tones": {"lowest_pitch": 55, "highest_pitch": 67, "settle_s": 0.5, "max_level_variation_db": 1.0},
    "phrases": {"generated": {"count": 6, "generate": {"lowest_pitch": 55, "highest_pitch": 67}}},
    "envelopes": {"one": {"count": 3, **FAMILY}, "two": {"count": 3, **FAMILY}},
}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Renders a small dataset with `shaping: plugin`. Read only."""
    folder = tmp_path_factory.mktemp("played")
    commands.succeed("render", "make", datasets.write_config(folder, **FEW), "--out", folder / "dataset")
    return folder / "dataset"


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Makes hosts misbehave as TRIPTYCH_TEST_FAULTS says, with short time limits."""
    monkeypatch.setattr(host_module, "PROGRAM", "tests.support.presets.faulty_host")
    monkeypatch.setattr(host_module, "Limits", lambda: Limits(2, 1.0, 1 << 29))
    return monkeypatch


def without_a_shard(complete: Path, target: Path) -> Path:
    """Copies a dataset without one of its shards."""
    copy = shutil.copytree(complete, target)
    for path in (copy / SHARD, Layout(copy).clip_table(SHARD), copy / "shards.parquet"):
        path.unlink()
    return copy


def first_timbre(root: Path) -> dict[str, Any]:
    """Returns the row of the first timbre of the shard's first block."""
    dataset = PlannedDataset(root)
    return dataset.timbres[dataset.blocks_of(SHARD)[0]["timbres"][0]]


def set_faults(monkeypatch: pytest.MonkeyPatch, *faults: tuple[bool, str, float, int]) -> None:
    monkeypatch.setenv("TRIPTYCH_TEST_FAULTS", json.dumps(faults))


def cutoff(row: dict[str, Any]) -> float:
    return float(dict(row["parameters"])["cutoff"])


def resume(root: Path) -> None:
    run(root, Console(quiet=True))


REASONS = [
    (faulty.SEGFAULT, "crashed"),
    (faulty.EXIT, "crashed"),
    (faulty.SPIN, "hung"),
    (faulty.SLEEP, "hung"),
    (faulty.ALLOCATE, "memory"),
    (faulty.NAN, "nan"),
    (faulty.SILENT, "silent"),
    (faulty.LOUD, "clipped"),
]


@pytest.mark.parametrize(("fault", "reason"), REASONS)
def test_a_timbre_that_fails_in_a_shard_is_replaced_and_the_block_is_full(
    played: Path, tmp_path: Path, limited: pytest.MonkeyPatch, fault: int, reason: str
) -> None:
    copy, failed = without_a_shard(played, tmp_path / "copy"), first_timbre(played)
    set_faults(limited, (True, "cutoff", cutoff(failed), fault))
    resume(copy)
    failures = pd.read_parquet(copy / "failures.parquet").query("stage == 'clips'")
    assert set(failures["reason"]) == {reason}
    assert set(failures["preset"]) == {failed["preset"]}
    assert set(failures["shard"]) == {SHARD}
    before, after = (pd.read_parquet(Layout(root).clip_table(SHARD)) for root in (played, copy))
    assert len(after) == len(before)
    stands_in = after[after["substitutes"].notna()]
    assert set(stands_in["substitutes"]) == {failed["timbre"]}
    assert len(stands_in) == (before["timbre"] == failed["timbre"]).sum()
    sides = PlannedDataset(copy).timbres
    for block in PlannedDataset(copy).blocks_of(SHARD):
        if block["planned"] is not None:
            assert failed["timbre"] in block["planned"]
            assert failed["timbre"] not in block["timbres"]
            assert len(set(block["timbres"])) == len(block["planned"])
            assert {sides[t]["side"] for t in block["timbres"]} == {failed["side"]}
    if fault == faulty.SEGFAULT:
        commands.succeed("manifests", "audit", copy, "--deep")


def test_plugin_output_on_stdout_changes_no_byte(
    played: Path, tmp_path: Path, limited: pytest.MonkeyPatch
) -> None:
    copy = without_a_shard(played, tmp_path / "copy")
    set_faults(limited, (True, "", 0.0, faulty.PRINT))
    resume(copy)
    assert datasets.file_hashes(copy) == datasets.file_hashes(played)


def test_substitutes_are_deterministic_and_retry_restores_the_timbre(
    played: Path, tmp_path: Path, limited: pytest.MonkeyPatch
) -> None:
    first, second = (without_a_shard(played, tmp_path / name) for name in ("first", "second"))
    set_faults(limited, (True, "cutoff", cutoff(first_timbre(played)), faulty.SEGFAULT))
    resume(first)
    resume(second)
    replaced = datasets.file_hashes(first)
    assert datasets.file_hashes(second) == replaced
    limited.delenv("TRIPTYCH_TEST_FAULTS")
    clips = pd.read_parquet(Layout(first).clip_table(SHARD))
    key = clips["key"][clips["substitutes"].notna()].iloc[-1]
    assert "same, bit for bit" in commands.succeed("render", "remake", first, key)
    # The plugin works again. `run` keeps the recorded failure, in whatever order files are deleted;
    for path in (first / SHARD, Layout(first).clip_table(SHARD), first / "shards.parquet"):
        path.unlink()
    commands.succeed("render", "run", first)
    assert datasets.file_hashes(first) == replaced
    # `retry` leaves finished shards alone,
    commands.succeed("render", "retry", first)
    assert datasets.file_hashes(first) == replaced
    # and renders missing shards with the timbre.
    for path in (second / SHARD, Layout(second).clip_table(SHARD), second / "shards.parquet"):
        path.unlink()
    commands.succeed("render", "retry", second)
    assert datasets.file_hashes(second) == datasets.file_hashes(played)


def test_presets_that_fail_while_tones_are_made_are_replaced(
    played: Path, tmp_path: Path, limited: pytest.MonkeyPatch
) -> None:
    # Presets must have different cutoffs, as faults are assigned by them.
    good = list({cutoff(row): row for _, row in sorted(PlannedDataset(played).timbres.items())}.values())
    reasons = dict(zip((row["preset"] for row in good), REASONS, strict=False))
    set_faults(limited, *((False, "cutoff", cutoff(row), reasons[row["preset"]][0]) for row in good))
    config = configs.load(datasets.write_config(tmp_path, **FEW))
    rows, failures = cast(
        config,
        ToneSetCache.of(config, tmp_path),
        lambda sets, wave: (try_preset(sets, one) for one in wave),
    )
    assert len(rows) == len(PlannedDataset(played).timbres)
    said = {row["preset"]: row["reason"] for row in failures}
    assert {preset: said[preset] for preset in reasons} == {p: reason for p, (_, reason) in reasons.items()}
    assert all(row["stage"] == "tones" and row["shard"] == "" for row in failures)


def test_without_substitutes_the_run_ends_with_a_one_line_error(
    played: Path, tmp_path: Path, limited: pytest.MonkeyPatch
) -> None:
    copy = without_a_shard(played, tmp_path / "copy")
    set_faults(limited, (True, "", 0.0, faulty.NAN))
    with pytest.raises(MachineFault, match="no other of its side is left"):
        resume(copy)
    assert not Layout(copy).clip_table(SHARD).exists()


@pytest.mark.parametrize("fault", [faulty.KILLED, faulty.KILL_HOST])
def test_a_group_killed_from_outside_is_the_machines_fault(
    played: Path, tmp_path: Path, limited: pytest.MonkeyPatch, fault: int
) -> None:
    copy = without_a_shard(played, tmp_path / "copy")
    set_faults(limited, (True, "cutoff", cutoff(first_timbre(played)), fault))
    with pytest.raises(MachineFault, match=r"killed from outside|died twice"):
        resume(copy)
    assert not Layout(copy).clip_table(SHARD).exists()
    assert "clips" not in set(pd.read_parquet(copy / "failures.parquet")["stage"])


def test_the_shard_canary_detects_nondeterminism(
    played: Path, tmp_path: Path, limited: pytest.MonkeyPatch
) -> None:
    copy = without_a_shard(played, tmp_path / "copy")
    set_faults(limited, (True, "", 0.0, faulty.UNREPEATABLE))
    with pytest.raises(MachineFault, match="canary"):
        resume(copy)
    assert not Layout(copy).clip_table(SHARD).exists()


def test_the_tone_canary_detects_nondeterminism(tmp_path: Path, limited: pytest.MonkeyPatch) -> None:
    root = tmp_path / "dataset"
    commands.succeed("render", "plan", datasets.write_config(tmp_path, **FEW), "--out", root)
    set_faults(limited, (False, "", 0.0, faulty.UNREPEATABLE))
    with pytest.raises(MachineFault, match="canary"):
        resume(root)
    assert not Layout(root).table("blocks").exists()


def assert_one_line_error(done: subprocess.CompletedProcess[str], what: str) -> None:
    lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert done.returncode == 1, done.stderr
    assert len(lines) == 1
    assert what in lines[0]


def test_a_missing_or_another_plugin_is_the_machines_fault(tmp_path: Path) -> None:
    plugin = tmp_path / "mine.dsp"
    shutil.copy(ROOT / "presets" / "synths" / "builtin.dsp", plugin)
    timbres = [{"synth": "builtin", "count": 6, "plugin": str(plugin)}]
    root = tmp_path / "dataset"
    commands.succeed("render", "plan", datasets.write_config(tmp_path, timbres=timbres), "--out", root)
    source = plugin.read_text()
    plugin.write_text(source + "\n// changed\n")
    assert_one_line_error(commands.run("render", "run", root), "is not the one it was planned with")
    plugin.unlink()
    assert_one_line_error(commands.run("render", "run", root), "its plugin is missing")
    assert not (root / "failures.parquet").exists()


def test_a_full_disk_is_the_machines_fault_and_leaves_no_partial_file(tiny: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("needs the right to mount a small file system")
    try:
        copy = shutil.copytree(tiny, disk / "dataset", ignore=shutil.ignore_patterns(".work", "shards*"))
        shutil.rmtree(copy / "clips")
        assert_one_line_error(commands.run("render", "run", copy), "no space left")
        assert not list((copy / "clips").rglob("*.parquet")) or (copy / SHARD).exists()
        assert set(pd.read_parquet(copy / "failures.parquet")["stage"]) <= {"tones"}
    finally:
        subprocess.run(["umount", str(disk)], check=True)
