"""Rendering a tone bank: same bytes in any way, clips equal to rendered ones, defects found by the audit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import webdataset

from manifests.audit.run import AuditOptions, audit
from manifests.dataset.bank import Bank
from manifests.dataset.layout import Layout
from manifests.dataset.rows import envelope_of, notes_of
from manifests.synthesis import compose
from tests.support import commands, datasets


def failed_checks(bank_copy: Path) -> list[str]:
    """Returns the names of the audit checks that fail."""
    report = audit(Bank(bank_copy), AuditOptions(hashes=True), lambda what: None).report
    return sorted({finding.check for finding in report.findings})


def test_bank_and_dataset_pass_their_audits(banked: Path) -> None:
    assert "no defect found" in commands.succeed("manifests", "audit", banked / "tones", "--hash")
    assert audit(Layout(banked), AuditOptions(), lambda what: None).report.passed
    assert "train, 4 timbres, 84 tones" in commands.succeed("manifests", "show", banked / "tones")


def test_a_planned_folder_gives_the_same_bank_even_if_killed(banked: Path, tmp_path: Path) -> None:
    config = datasets.write_config(tmp_path)
    planned = tmp_path / "planned"
    commands.succeed("render", "plan", config, "--out", planned)
    command = [sys.executable, "-m", "render", "tones", str(planned)]
    run = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    while run.poll() is None and not (planned / "tones" / "shard-000000.tar").exists():
        time.sleep(0.005)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert not (planned / "tones" / "tone_shards.parquet").exists(), "killed too late to show anything"
    done = commands.run("render", "tones", planned)
    assert done.returncode == 0, done.stderr
    assert datasets.file_hashes(planned / "tones") == datasets.file_hashes(banked / "tones")
    assert "0 shard(s) made now" in commands.run("render", "tones", planned).stderr


def test_clips_composed_from_the_bank_are_the_rendered_ones(banked: Path) -> None:
    bank, layout = Bank(banked / "tones"), Layout(banked)
    of = bank.metadata()["fingerprint_of"]
    envelopes = {row["envelope"]: envelope_of(row) for row in bank.read("envelopes").to_pylist()}
    phrases = {row["phrase"]: notes_of(row) for row in bank.read("phrases").to_pylist()}
    tones: dict[int, dict[int, tuple[np.ndarray, float]]] = {}
    for shard in bank.shards():
        data = np.memmap(bank.inside(shard["shard"]), dtype=np.uint8, mode="r")
        for row in bank.tones(shard["shard"]).to_pylist():
            samples = data[row["offset"] : row["offset"] + 2 * row["frames"]].view("<i2")
            tones.setdefault(row["timbre"], {})[row["pitch"]] = (samples, row["scale"])
    clips = [row for split in ("train", "test_unseen_all") for row in layout.read_clips(split).to_pylist()]
    for row in clips[::7]:
        notes, envelope = phrases[row["phrase"]], envelopes[row["envelope"]]
        sound = compose.dry(notes, tones[row["timbre"]], of["rate"], of["frames"])
        sound *= compose.gain(notes, envelope, of["rate"], of["frames"], of["cut_fade_ms"])
        pcm, gain = compose.to_int16(sound, of["peak"])
        assert compose.pcm_sha256(pcm) == row["pcm_sha256"]
        assert gain == pytest.approx(row["gain"], rel=1e-6)


def test_webdataset_reads_the_shards(banked: Path) -> None:
    bank = Bank(banked / "tones")
    shard = bank.shards()[0]
    samples = list(webdataset.WebDataset(str(bank.inside(shard["shard"])), shardshuffle=False).decode())
    assert [int(sample["__key__"][1:]) for sample in samples] == shard["timbres"]
    tones = bank.tones(shard["shard"]).to_pylist()
    first = samples[0]
    assert first["npy"].dtype == np.int16
    assert first["npy"].shape == (21, tones[0]["frames"])
    assert [tone["pitch"] for tone in first["json"]["tones"]] == list(range(52, 73))


def test_every_third_semitone_is_kept_and_another_bank_is_refused(banked: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    commands.succeed("render", "tones", banked, "--out", small, "--every", "3")
    assert failed_checks(small) == []
    rows = Bank(small).tones("shard-000000.tar").to_pylist()
    assert sorted({row["pitch"] for row in rows}) == [52, 55, 58, 61, 64, 67, 70]
    done = commands.run("render", "tones", banked, "--out", small)
    assert (done.returncode, done.stdout) == (2, "")
    assert "holds another bank (asked for != there): every: 1 != 3" in done.stderr
    done = commands.run("render", "tones", banked, "--out", banked / "shards")
    assert done.returncode == 2
    assert "is not empty and holds no bank" in done.stderr


def test_a_plan_with_plugin_shaping_has_no_bank(tmp_path: Path) -> None:
    config = datasets.write_config(tmp_path, shaping="plugin")
    commands.succeed("render", "plan", config, "--out", tmp_path / "played")
    done = commands.run("render", "tones", tmp_path / "played")
    assert done.returncode == 2
    assert "a bank needs a plan with shaping: renderer" in done.stderr
    assert not (tmp_path / "played" / "tones").exists()


def change_table(bank_copy: Path, name: str, column: str, value: object) -> None:
    """Sets one value in the first row of a column of a Parquet table."""
    path = bank_copy / name
    table = pq.read_table(path)
    values = [value, *table.column(column).to_pylist()[1:]]
    index = table.schema.get_field_index(column)
    changed = table.set_column(
        index, table.schema.field(index), pa.array(values, table.schema.field(index).type)
    )
    pq.write_table(changed.replace_schema_metadata(table.schema.metadata), path)


def test_the_audit_finds_changed_and_missing_files(bank_copy: Path) -> None:
    shard = bank_copy / "shard-000000.tar"
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 0xFF
    shard.write_bytes(bytes(data))
    assert failed_checks(bank_copy) == ["hash"]
    shard.write_bytes(data[:-512])
    assert failed_checks(bank_copy) == ["hash", "size"]
    shard.unlink()
    (bank_copy / "more.txt").write_text("?")
    assert failed_checks(bank_copy) == ["foreign", "missing"]


@pytest.mark.parametrize(
    ("table", "column", "value", "check"),
    [
        ("shard-000000.parquet", "loop_start", 10**9, ["tone", "tone table"]),
        ("shard-000000.parquet", "scale", 0.0, ["level", "tone", "tone table", "tones"]),
        ("shard-000000.parquet", "pitch", 60, ["coverage", "tone table"]),
        ("shard-000000.parquet", "rate", 48_000, ["table"]),
        ("tone_shards.parquet", "side", "test", ["leak"]),
        ("timbres.parquet", "tones_sha256", "0" * 64, ["tones"]),
    ],
)
def test_the_audit_finds_a_changed_value(
    bank_copy: Path, table: str, column: str, value: object, check: list[str]
) -> None:
    change_table(bank_copy, table, column, value)
    assert failed_checks(bank_copy) == check
