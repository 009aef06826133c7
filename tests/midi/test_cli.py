"""The `midi` command line."""

import subprocess
import sys
from pathlib import Path

from manifests.dataset.layout import read_table
from manifests.types import Note, check_notes
from midi.clusters import phrase_clusters


def midi(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "midi", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_generate_is_deterministic(tmp_path: Path) -> None:
    for name in ("a", "b"):
        done = midi("generate", "--count", 20, "--seed", 4, "--out", tmp_path / f"{name}.parquet")
        assert done.returncode == 0, done.stderr
        assert "20 phrases, 20 of them different" in done.stdout
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    rows = read_table(tmp_path / "a.parquet", "phrases").to_pylist()
    phrases = [check_notes([Note(**note) for note in row["notes"]], 3.0) for row in rows]
    assert [row["phrase"] for row in rows] == list(range(20))
    assert [row["cluster"] for row in rows] == phrase_clusters(phrases)
    assert {row["side"] for row in rows} == {"train"}
    assert {row["source_sha256"] for row in rows} == {""}


def test_bad_input_is_one_line_exit_2_and_no_file(tmp_path: Path) -> None:
    out = tmp_path / "p.parquet"
    (tmp_path / "midi").mkdir()
    (tmp_path / "midi" / "notes.mid").write_text("hello")
    for arguments in (
        ("extract", tmp_path / "midi", "--out", out),
        ("extract", tmp_path / "midi", "--polyphony", "perhaps", "--out", out),
        ("generate", "--count", 5, "--longest-settle-ms", 4000, "--out", out),
        ("generate", "--count", 5, "--lowest-pitch", 60, "--out", out),
        ("generate", "--count", 5, "--out", tmp_path / "p.txt"),
    ):
        done = midi(*arguments)
        assert done.returncode == 2
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1
        assert sorted(path.name for path in tmp_path.iterdir()) == ["midi"]
