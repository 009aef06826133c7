"""Limits of a scheduler are kept and named, in whole commands."""

from __future__ import annotations

import resource
import stat
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.support import commands, datasets

KIB = 1024


def limited(limits: dict[int, int], package: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs a command under limits, both soft and hard, as `ulimit` sets them."""

    def lower() -> None:
        for kind, value in limits.items():
            resource.setrlimit(kind, (value, value))

    command = [sys.executable, "-m", package, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=lower)


@pytest.mark.parametrize(
    ("kind", "value", "named"),
    [
        (resource.RLIMIT_FSIZE, 40 * KIB, "file size 0.0391 MiB (ulimit -f)"),
        (resource.RLIMIT_AS, 300 * KIB * KIB, "address space 300 MiB (ulimit -v)"),
        (resource.RLIMIT_CPU, 2, "CPU time 2 s (ulimit -t)"),
    ],
)
def test_a_limit_that_ends_a_command_is_named(tmp_path: Path, kind: int, value: int, named: str) -> None:
    config = datasets.write_config(tmp_path)
    done = limited({kind: value}, "render", "make", config, "--out", tmp_path / "set")
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert named in done.stderr.splitlines()[-1]
    # No preset is blamed. The table is there if the command came as far as that.
    assert all(len(pq.read_table(path)) == 0 for path in (tmp_path / "set").glob("failures.parquet"))


def test_limits_below_ours_are_kept(tiny: Path, tmp_path: Path) -> None:
    """A group's own limits are lower than a hard limit here and higher there; the bytes are the same."""
    limits = {
        resource.RLIMIT_AS: 2 << 30,
        resource.RLIMIT_CPU: 40,
        resource.RLIMIT_FSIZE: 64 << 20,
        resource.RLIMIT_NOFILE: 32,
    }
    out = tmp_path / "set"
    done = limited(limits, "render", "make", datasets.write_config(tmp_path), "--out", out)
    assert done.returncode == 0, done.stderr
    assert datasets.file_hashes(out) == datasets.file_hashes(tiny)


@pytest.mark.parametrize("umask", [0o077, 0o000])
def test_the_umask_is_respected(tmp_path: Path, umask: int) -> None:
    out = tmp_path / "deeper" / "phrases.parquet"
    command = [sys.executable, "-m", "midi", "generate", "--count", "3", "--out", str(out)]
    subprocess.run(command, check=True, umask=umask, capture_output=True)
    assert stat.S_IMODE(out.stat().st_mode) == 0o666 & ~umask
    assert stat.S_IMODE(out.parent.stat().st_mode) == 0o777 & ~umask


def test_no_home_is_needed(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "render",
        "make",
        datasets.write_config(tmp_path),
        "--out",
        tmp_path / "set",
    ]
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, check=False, env={"HOME": "/nonexistent"}
    )
    assert done.returncode == 0, done.stderr


def test_a_folder_named_as_a_partition_changes_no_query(tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "rate=48000" / "set"
    folder.parent.mkdir()
    folder.symlink_to(tiny)
    query = "select distinct rate from clips"
    there = commands.succeed("manifests", "query", folder, query)
    assert there == commands.succeed("manifests", "query", tiny, query)
    assert "48000" not in there
