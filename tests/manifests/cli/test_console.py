"""What every command prints and exits with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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


@pytest.mark.parametrize("package", ["manifests", "midi", "presets", "render", "train"])
def test_a_users_file_that_hides_a_package_is_named(package: str, tmp_path: Path) -> None:
    # The current folder comes first, as with `python -m`; `manifests` itself cannot report that it is hidden.
    hidden = "render" if package == "midi" else "midi"
    (tmp_path / f"{hidden}.py").write_text("raise SystemExit('mine')\n")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import runpy;"
    code += f"runpy.run_module({package!r}, run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"{hidden}.py: hides the package {hidden!r}" in done.stderr
