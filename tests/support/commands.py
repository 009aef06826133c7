"""Runs the project's commands as a user does, in a process of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def run(package: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs one of the project's commands as a user does; never raises."""
    return subprocess.run(
        [sys.executable, "-m", package, *map(str, arguments)], capture_output=True, text=True, check=False
    )


def succeed(package: str, *arguments: str | Path) -> str:
    """Runs a command that must succeed, and returns its stdout."""
    done = run(package, *arguments)
    assert done.returncode == 0, f"{package} {arguments}: {done.stdout}{done.stderr}"
    return done.stdout
