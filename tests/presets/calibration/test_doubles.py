"""Doubled, slashed and empty parameter names, and a plugin that needs a display, in `calibrate`."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.support import commands
from tests.support.presets.odd_synth_builds import Build


def test_calibrate_finds_the_amplitudes_parameter_of_a_doubled_name(odd: Build, tmp_path: Path) -> None:
    plugin, out = odd("OddNames", NAMES=1, DISPLAY=1), tmp_path / "odd.yaml"
    done = commands.run(
        "presets", "calibrate", plugin, "--attack", "Attack", "--longest-s", "3", "--out", out
    )
    assert done.returncode == 0, done.stderr
    assert "of the parameters called 'Attack', 'Attack#2' sets the level" in done.stderr
    text = out.read_text()
    assert '# 2 parameters are called "Attack": "Attack", "Attack#2"' in text
    assert '# 2 parameters are called "unused": "unused", "unused#2"' in text
    profile = yaml.safe_load(text)
    assert {"Drive/Mix", "index: 7"} <= set(profile["parameters"])
    assert profile["needs_display"] is True
    assert "Attack#2" in profile["pinned"]
