"""What every command prints and exits with."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("package", "lacking", "extra"),
    [("render", "joblib", "render"), ("midi", "mido", "render"), ("train", "torch", "train")],
)
def test_a_missing_extra_is_named(package: str, lacking: str, extra: str) -> None:
    start = f"runpy.run_module('{package}', run_name='__main__')"
    code = f"import runpy, sys; sys.modules['{lacking}'] = None; {start}"
    done = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.endswith(f"error: {lacking} is not installed; pip install 'triptych-audio[{extra}]'\n")
