"""Checks of meaning: ranges, likeness across sides, pitch heard, clips made again; what findings say."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from manifests.audit.checks.figures import figures
from manifests.audit.checks.samples import pcm_defects
from manifests.audit.findings import Report
from manifests.audit.run import Tiers, audit
from manifests.dataset.canonical import sha256_json
from manifests.dataset.layout import Layout, read_table, write_table
from manifests.synthesis.compose import pcm_sha256, rms
from render.planning.fingerprint import AUDIO_VERSION
from tests.support import rendered

Rows = rendered.Rows


def report(root: Path, tiers: Tiers = Tiers()) -> Report:  # noqa: B008
    return audit(Layout(root), tiers, lambda _: None).report


def forge(tiny: Path, copy: Path, table: str, change: Callable[[Rows], None]) -> Path:
    """A copy of the dataset with one of its tables rewritten."""
    shutil.copytree(tiny, copy)
    rendered.rewrite(copy, table, change)
    return copy


def of_side(rows: Rows, side: str) -> dict[str, Any]:
    return next(row for row in rows if row["side"] == side)


def same_timbre(rows: Rows) -> None:
    of_side(rows, "test")["fingerprint"] = [level + 1.0 for level in of_side(rows, "train")["fingerprint"]]


def same_phrase(rows: Rows) -> None:
    notes = of_side(rows, "train")["notes"]
    of_side(rows, "test")["notes"] = [{**n, "pitch": n["pitch"] + 1, "velocity": 90} for n in notes]


def same_envelope(rows: Rows) -> None:
    for name in ("attack_ms", "hold_ms", "decay_ms", "sustain", "release_ms", "curve"):
        of_side(rows, "test")[name] = of_side(rows, "train")[name]


def slow_attack(rows: Rows) -> None:
    rows[0]["attack_ms"] = 500.0


def too_high(rows: Rows) -> None:
    rows[0]["notes"][0]["pitch"] = 90


def unsteady(rows: Rows) -> None:
    rows[0]["level_variation_db"] = 2.0


@pytest.mark.parametrize(
    ("table", "change", "check", "said"),
    [
        ("timbres", same_timbre, "leak", "sound alike, but are on two sides"),
        ("phrases", same_phrase, "leak", "are one music, in another key or shifted, but are on two sides"),
        ("envelopes", same_envelope, "leak", "are nearer than the tolerance, but are on two sides"),
        ("envelopes", slow_attack, "range", "attack_ms 500 is outside the 10..100 of lead"),
        ("phrases", too_high, "range", "go beyond the tones' 52..72"),
        ("timbres", unsteady, "range", "its level varies by 2.00 dB, 1 allowed"),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_what_the_tables_say_is_checked_afresh(
    tiny: Path, tmp_path: Path, table: str, change: Callable[[Rows], None], check: str, said: str
) -> None:
    found = report(forge(tiny, tmp_path / "copy", table, change)).findings
    assert any(finding.check == check and said in finding.what for finding in found), found


def on_the_side_of_a_synth_left_out(rows: Rows) -> None:
    one, other = [row for row in rows if row["side"] == "test"][:2]
    other |= {"side": "synth", "cluster": one["cluster"], "fingerprint": one["fingerprint"]}


def test_what_is_alike_may_be_tested_on_in_two_ways(tiny: Path, tmp_path: Path) -> None:
    found = report(forge(tiny, tmp_path / "copy", "timbres", on_the_side_of_a_synth_left_out)).findings
    assert not any("two sides" in finding.what for finding in found), found


def transposed(rows: Rows) -> None:
    for row in rows:
        for note in row["notes"]:
            note["pitch"] += 1 if note["pitch"] < 72 else -1


def test_another_pitch_is_heard_and_made_again_differently(tiny: Path, tmp_path: Path) -> None:
    copy = forge(tiny, tmp_path / "copy", "phrases", transposed)
    here = version("dawdreamer")
    path = copy / "dataset.json"
    path.write_text(path.read_text().replace(f'"dawdreamer": "{here}"', '"dawdreamer": "0.0.1"'))
    found = report(copy, Tiers(deep=True, rerender=2)).findings
    pitch = [finding for finding in found if finding.check == "pitch"]
    assert "notes heard are not the phrase's (-1.0 semitones)" in pitch[0].what
    again = [finding for finding in found if finding.check == "rerender"]
    assert len(again) == 2
    assert again[0].what.startswith("made again, it came out differently: by up to ")
    why = f"changed tables, or another renderer; made with dawdreamer 0.0.1, here is {here}"
    assert again[0].what.endswith(f"({why})")


def test_a_renderer_of_another_sound_is_named(tiny: Path, tmp_path: Path) -> None:
    copy = forge(tiny, tmp_path / "copy", "phrases", transposed)
    path = copy / "dataset.json"
    planned = json.loads(path.read_text())
    planned["fingerprint_of"]["audio"] = "0.9"
    planned["fingerprint"] = sha256_json(planned["fingerprint_of"])
    path.write_text(json.dumps(planned))
    again = [finding for finding in report(copy, Tiers(rerender=1)).findings if finding.check == "rerender"]
    assert again[0].what.endswith(f"made with audio 0.9, here is {AUDIO_VERSION})")


def never_the_same(rows: Rows) -> None:
    for row in rows:
        row["deterministic"] = False


def test_clips_of_synths_that_never_repeat_are_counted_not_compared(tiny: Path, tmp_path: Path) -> None:
    copy = forge(tiny, tmp_path / "copy", "timbres", never_the_same)
    audited = report(copy, Tiers(rerender=2))
    assert audited.looked_at["made again"] == "2 clips, 2 of synths that are not deterministic"
    assert audited.passed


def test_another_plugin_is_why_nothing_can_be_made_again(tiny: Path, tmp_path: Path) -> None:
    def other(rows: Rows) -> None:
        for row in rows:
            row["plugin_sha256"] = "f" * 64

    found = report(forge(tiny, tmp_path / "copy", "timbres", other), Tiers(rerender=2)).findings
    assert [finding.check for finding in found] == ["rerender"]
    assert "0 of 2 clips could be made again" in found[0].what
    assert "made with plugin ffffffffffff…, here is" in found[0].what


def test_a_column_in_other_units_is_found(tiny: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny, tmp_path / "copy", ignore=shutil.ignore_patterns(".work"))
    table = Layout(copy).read("envelopes")
    place = table.schema.get_field_index("release_ms")
    seconds = table.schema.field(place).with_metadata({"unit": "s", "description": "release"})
    write_table(copy / "envelopes.parquet", table.cast(table.schema.set(place, seconds)))
    found = report(copy).findings
    assert [(f.check, f.where) for f in found] == [("units", "envelopes.parquet")]
    assert "release_ms" in found[0].what


def test_one_audio_under_two_keys_is_a_leak(tiny: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny, tmp_path / "copy", ignore=shutil.ignore_patterns(".work"))
    path = copy / "clips/train/shard-000000.parquet"
    table = read_table(path, "clips")
    rows = table.to_pylist()
    rows[3]["pcm_sha256"] = rows[2]["pcm_sha256"]
    write_table(path, type(table).from_pylist(rows, schema=table.schema))
    leaks = [finding for finding in report(copy).findings if finding.check == "leak"]
    assert [finding.what for finding in leaks] == ["has the same audio as another clip"]
    assert leaks[0].where in (rows[2]["key"], rows[3]["key"])


TONE = np.round(20_000 * np.sin(np.arange(4410) * 2 * np.pi / 105)).astype(np.int16)


@pytest.mark.parametrize(
    ("heard", "changed", "said"),
    [
        (TONE, {}, ""),
        (TONE, {"frames": 4411}, "its row says mono, 4411 at 44100"),
        (TONE, {"rate": 48_000}, "its row says mono, 4410 at 48000"),
        (TONE, {"pcm_sha256": "0" * 64}, "PCM hash"),
        (TONE, {"peak": 1}, ", its row says 1"),
        (TONE, {"rms": 0.5}, "its row says 0.500000"),
        (np.zeros_like(TONE), {}, "silent"),
        (np.clip(2 * TONE.astype(int), -32767, 32767).astype(np.int16), {}, "clipped"),
        (TONE + np.int16(100), {}, "DC offset -50.3 dBFS"),
    ],
)
def test_every_defect_of_a_clip_is_named(heard: np.ndarray, changed: dict[str, Any], said: str) -> None:
    row = {
        "frames": len(heard), "rate": 44_100, "pcm_sha256": pcm_sha256(heard),
        "peak": int(np.abs(heard.astype(int)).max()), "rms": rms(heard),
    }  # fmt: skip
    found = list(pcm_defects(heard, 44_100, SimpleNamespace(**{**row, **changed})))
    assert len(found) == (1 if said else 0), found
    assert said in "".join(found)


def test_missing_cells_are_named_with_their_shard(tiny: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny, tmp_path / "copy")
    (copy / "clips/train/shard-000001.parquet").unlink()
    found = [finding.what for finding in report(copy).findings if finding.check == "coverage"]
    assert any("missing: 16, first timbre" in what for what in found), found
    assert any(what.endswith("in shards/train/shard-000001.tar") for what in found)


def test_manifests_alone_pass_without_audio(tiny: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny, tmp_path / "copy", ignore=shutil.ignore_patterns("shards", ".work"))
    assert {finding.check for finding in report(copy).findings} == {"missing"}
    assert report(copy, Tiers(audio=False)).passed
    rendered.succeed("manifests", "audit", copy, "--no-audio")


def test_figures_by_split_are_those_of_the_rows(tiny: Path) -> None:
    audited = audit(Layout(tiny), Tiers(), lambda _: None)
    assert audited.clips is not None
    assert audited.tables is not None
    rows = Layout(tiny).read_clips("train").to_pandas()
    train = figures(audited.clips, audited.tables)["train"]
    assert train["clips"] == len(rows)
    assert train["timbres"] == rows["timbre"].nunique()
    assert train["rms_dbfs_median"] == pytest.approx(20 * np.log10(rows["rms"].median()), abs=0.05)
    assert train["whole_envelope_share"] == pytest.approx(
        (rows["sustain_reached"] & rows["release_heard"]).mean(), abs=1e-3
    )
    assert 100 < train["brightness_hz"] < 10_000
