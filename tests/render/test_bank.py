"""The tone bank: the same bytes however it was made, its clips are the rendered ones, defects are found."""

from __future__ import annotations

import json
import os
import shutil
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

from manifests.audit.run import Tiers, audit
from manifests.dataset.bank import FADE, Bank, kept_pitches, read_places, source_pitch
from manifests.dataset.canonical import sha256_json
from manifests.dataset.layout import Layout
from manifests.dataset.rows import envelope_of, notes_of
from manifests.synthesis import compose
from manifests.types import InputError
from presets.tones.loops import with_loops
from tests.support import rendered

RATE = 44_100


@pytest.fixture
def bank(banked: Path, tmp_path: Path) -> Path:
    """A copy of the bank, to be damaged."""
    shutil.copytree(banked / "tones", tmp_path / "tones", ignore=shutil.ignore_patterns(".work"))
    return tmp_path / "tones"


def found(bank: Path) -> list[str]:
    """The checks that find something."""
    report = audit(Bank(bank), Tiers(hashes=True), lambda what: None).report
    return sorted({finding.check for finding in report.findings})


def test_bank_and_dataset_pass_their_audits(banked: Path) -> None:
    assert "no defect found" in rendered.succeed("manifests", "audit", banked / "tones", "--hash")
    assert audit(Layout(banked), Tiers(), lambda what: None).report.passed
    assert "train, 4 timbres, 84 tones" in rendered.succeed("manifests", "show", banked / "tones")


def test_a_planned_folder_gives_the_same_bank_even_if_killed(banked: Path, tmp_path: Path) -> None:
    config = rendered.write_config(tmp_path)
    planned = tmp_path / "planned"
    rendered.succeed("render", "plan", config, "--out", planned)
    command = [sys.executable, "-m", "render", "tones", str(planned)]
    run = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    while run.poll() is None and not (planned / "tones" / "shard-000000.tar").exists():
        time.sleep(0.005)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert not (planned / "tones" / "tone_shards.parquet").exists(), "killed too late to show anything"
    done = rendered.command("render", "tones", planned)
    assert done.returncode == 0, done.stderr
    assert rendered.contents(planned / "tones") == rendered.contents(banked / "tones")
    assert "0 shard(s) made now" in rendered.command("render", "tones", planned).stderr


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


def test_every_third_semitone_and_no_other_bank_in_one_folder(banked: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    rendered.succeed("render", "tones", banked, "--out", small, "--every", "3")
    assert found(small) == []
    rows = Bank(small).tones("shard-000000.tar").to_pylist()
    assert sorted({row["pitch"] for row in rows}) == [52, 55, 58, 61, 64, 67, 70]
    done = rendered.command("render", "tones", banked, "--out", small)
    assert (done.returncode, done.stdout) == (2, "")
    assert "holds another bank (asked for != there): every: 1 != 3" in done.stderr
    done = rendered.command("render", "tones", banked, "--out", banked / "shards")
    assert done.returncode == 2
    assert "is not empty and holds no bank" in done.stderr


def test_a_plan_whose_clips_are_played_has_no_bank(tmp_path: Path) -> None:
    config = rendered.write_config(tmp_path, shaping="plugin")
    rendered.succeed("render", "plan", config, "--out", tmp_path / "played")
    done = rendered.command("render", "tones", tmp_path / "played")
    assert done.returncode == 2
    assert "a bank needs a plan with shaping: renderer" in done.stderr
    assert not (tmp_path / "played" / "tones").exists()


def change_table(bank: Path, name: str, column: str, value: object) -> None:
    """Puts a value in the first row of a column, everything else as it was."""
    path = bank / name
    table = pq.read_table(path)
    values = [value, *table.column(column).to_pylist()[1:]]
    index = table.schema.get_field_index(column)
    changed = table.set_column(
        index, table.schema.field(index), pa.array(values, table.schema.field(index).type)
    )
    pq.write_table(changed.replace_schema_metadata(table.schema.metadata), path)


def test_the_audit_finds_what_is_wrong(bank: Path) -> None:
    shard = bank / "shard-000000.tar"
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 0xFF
    shard.write_bytes(bytes(data))
    assert found(bank) == ["hash"]
    shard.write_bytes(data[:-512])
    assert found(bank) == ["hash", "size"]
    shard.unlink()
    (bank / "more.txt").write_text("?")
    assert found(bank) == ["foreign", "missing"]


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
    bank: Path, table: str, column: str, value: object, check: list[str]
) -> None:
    change_table(bank, table, column, value)
    assert found(bank) == check


def test_a_bank_that_cannot_be_read_is_refused_by_name(bank: Path) -> None:
    text = (bank / "bank.json").read_text()
    whole = Bank(bank)
    for old, new, message in (
        ('"schema": "1.0"', '"schema": "2.0"', r"bank\.json: schema version 2\.0"),
        ('"rate": 44100', '"rate": 48000', "it was edited"),
    ):
        (bank / "bank.json").write_text(text.replace(old, new))
        with pytest.raises(InputError, match=message):
            whole.metadata()
    other = json.loads(text)
    other["fingerprint_of"]["dataset"] = "another"
    other["fingerprint"] = sha256_json(other["fingerprint_of"])
    (bank / "bank.json").write_text(json.dumps(other))
    with pytest.raises(InputError, match=r"shard-000000\.parquet: belongs to another bank"):
        whole.tones("shard-000000.tar")
    (bank / "shard-000001.tar").rename(bank / "gone")
    with pytest.raises(InputError, match=r"shard-000001\.tar: shard is missing"):
        whole.shards()
    (bank / "tone_shards.parquet").unlink()
    with pytest.raises(InputError, match="the bank is not finished"):
        whole.shards()
    (bank / "bank.json").unlink()
    with pytest.raises(InputError, match=r"no bank\.json there"):
        whole.metadata()


def test_a_loop_goes_on_as_the_tone_does() -> None:
    time_s = np.arange(int(1.3 * RATE)) / RATE
    tones = np.stack(
        [
            np.sin(2 * np.pi * hz * time_s) + 0.5 * np.sin(2 * np.pi * 3.003 * hz * time_s + 1)
            for hz in (130.8, 293.7, 987.8)
        ]
    )
    pcm = np.rint(tones * 15_000).astype(np.int16)
    longer, starts = with_loops(pcm, RATE)
    np.testing.assert_array_equal(longer[:, : pcm.shape[1]], pcm)
    for tone, own, start in zip(longer, pcm, starts, strict=True):
        places = read_places(4 * RATE, int(start), len(tone))
        assert places.max() < len(tone)
        heard = tone[places].astype(float)
        steps = np.abs(np.diff(heard))
        assert steps.max() <= 1.02 * np.abs(np.diff(own.astype(float))).max()
        # Round the loop the level stays, and nothing is heard beside the partials.
        rest = heard[2 * RATE :] * np.hanning(2 * RATE)
        power = np.abs(np.fft.rfft(rest)) ** 2
        loud = np.convolve(power > power.max() * 1e-3, np.ones(200), mode="same") > 0
        assert power[~loud].sum() < 1e-3 * power.sum()


def test_pitches_between_are_read_from_the_nearest_tone() -> None:
    kept = kept_pitches(48, 60, 3)
    assert list(kept) == [48, 51, 54, 57, 60]
    assert [source_pitch(pitch, kept) for pitch in range(48, 55)] == [48, 48, 51, 51, 51, 54, 54]
    assert source_pitch(62, kept) == 60
    np.testing.assert_array_equal(read_places(9, 2, 5), [0, 1, 2, 3, 4, 2, 3, 4, 2])
    assert FADE > 0
