"""Runs `python -m presets`, and reads a scan's rows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from presets.scan.scan_table import read_scan

LIMIT = 40


def run_presets(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "presets", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def rows_by_preset(scan: Path) -> dict[str, dict[str, object]]:
    return {str(row["preset"]): row for row in read_scan(scan).to_pylist()}
