"""The `presets` command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def presets(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "presets", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_list_shows_synths_and_their_presets() -> None:
    synths = presets("list")
    assert synths.returncode == 0
    assert "builtin" in synths.stdout
    assert "amsynth" in synths.stdout
    lines = presets("list", "builtin").stdout.splitlines()
    assert len(lines) >= 64
    assert "named/glass-bell\tglass-bell" in lines


def test_show_prints_parameters_and_measurements_and_writes_a_plot(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    shown = presets("show", "builtin", "named/deep-sub", "--seconds", "0.5", "--plot", tmp_path / "a.png")
    assert shown.returncode == 0, shown.stderr
    assert "pinned: the amplitude envelope is ours" in shown.stdout
    assert "octave           -2 relative to the note played" in shown.stdout
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "builtin", "named/none"), "expected an address"),
        (("list", "moog"), "no such profile"),
        (("show", "builtin", "named/tuba", "--plot", "a.gif"), "ends in .png"),
    ],
)
def test_bad_input_is_one_line_and_status_2(arguments: tuple[str, ...], message: str) -> None:
    failed = presets(*arguments)
    assert failed.returncode == 2
    assert message in failed.stderr
    assert len(failed.stderr.splitlines()) == 1


def test_importing_the_package_needs_no_dawdreamer() -> None:
    program = (
        "import sys, presets.tones.making, presets.cli.app;"
        "print('dawdreamer' in sys.modules, 'torch' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert result.stdout.split() == ["False", "False"]
