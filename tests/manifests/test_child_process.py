"""Child processes find our packages: in a checkout by PYTHONPATH, installed by themselves."""

from __future__ import annotations

import os
import site
import subprocess
from pathlib import Path

import pytest

from manifests import child_process
from tests.support.paths import ROOT


def test_a_module_of_the_working_folder_is_not_imported(tmp_path: Path) -> None:
    (tmp_path / "midi.py").write_text("raise SystemExit('a module of the user')\n")
    command = child_process.module_command("midi", "--version")
    done = subprocess.run(
        command, cwd=tmp_path, env=child_process.environment(), capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("triptych-audio "), done.stderr


def test_our_packages_come_first_and_site_packages_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    assert child_process.environment()["PYTHONPATH"] == os.pathsep.join([str(ROOT), "/elsewhere"])
    monkeypatch.setattr(child_process, "ROOT", Path(site.getsitepackages()[0]).resolve())
    assert child_process.environment()["PYTHONPATH"] == "/elsewhere"
    monkeypatch.delenv("PYTHONPATH")
    assert "PYTHONPATH" not in child_process.environment()
