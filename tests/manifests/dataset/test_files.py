"""Files are committed once, also where the file system has no hard links or cannot flush."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from manifests.child_process import environment
from manifests.dataset import files


@pytest.fixture(params=["links", "no links"])
def file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system with hard links, and one without them that cannot flush folders either."""

    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    if request.param == "no links":
        monkeypatch.setattr(os, "link", refuse)
        monkeypatch.setattr(os, "fsync", refuse)


@pytest.mark.usefixtures("file_system")
def test_only_one_of_many_commits_and_no_one_sees_a_part(tmp_path: Path) -> None:
    goal = tmp_path / "shard.tar"

    def commit(number: int) -> bool:
        own = tmp_path / f"own-{number}"
        own.write_bytes(bytes([number]) * 1000)
        return files.create_once(own, goal)

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(commit, range(16)))
    assert done.count(True) == 1
    assert goal.read_bytes() == bytes([done.index(True)]) * 1000
    assert not list(tmp_path.glob(".*"))


@pytest.mark.usefixtures("file_system")
def test_a_table_is_replaced(tmp_path: Path) -> None:
    for data in (b"old", b"new"):
        files.replace(tmp_path / "t.parquet", data)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"new"]


def test_other_errors_are_not_taken_for_a_lack_of_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "link", full)
    (tmp_path / "own").write_bytes(b"x")
    with pytest.raises(OSError, match="No space left"):
        files.create_once(tmp_path / "own", tmp_path / "goal")


def test_several_files_are_written_or_none(tmp_path: Path) -> None:
    first, second = tmp_path / "a.json", tmp_path / "b" / "b.json"
    files.replace_all({first: b"1", second: b"2"})
    assert (first.read_bytes(), second.read_bytes()) == (b"1", b"2")
    second.unlink()
    second.mkdir()
    with pytest.raises(IsADirectoryError) as raised:
        files.replace_all({first: b"3", second: b"4"})
    assert raised.value.filename == str(second)
    assert first.read_bytes() == b"1"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.json", "b", "b.json"]


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    """A limit of file size stands in for a full disk: both fail in the middle of a write."""
    first, second = tmp_path / "a", tmp_path / "b"
    files.replace_all({first: b"old", second: b"old"})
    code = (
        "import resource, signal, sys, pathlib; from manifests.dataset import files;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096));"
        "root = pathlib.Path(sys.argv[1]);"
        "files.replace_all({root / 'a': b'new', root / 'b': bytes(10_000)})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], env=environment(), capture_output=True, text=True, check=False
    )
    assert "File too large" in done.stderr
    assert [path.read_bytes() for path in sorted(tmp_path.iterdir())] == [b"old", b"old"]
