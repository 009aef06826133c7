"""Fixtures of the scan tests: a small scan of the built-in synth."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.presets.preset_scan import LIMIT, run_presets


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scans some of the built-in synth's named presets with one worker."""
    out = tmp_path_factory.mktemp("scan") / "timbres.parquet"
    done = run_presets("scan", "builtin", "--out", out, "--limit", LIMIT)
    assert done.returncode == 0, done.stderr
    assert f"presets    {LIMIT}" in done.stdout
    return out
