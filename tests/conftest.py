"""Fixtures shared by all tests: where real plugins are, and small real datasets."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests import rendered

AMSYNTH = Path("/usr/lib/vst/amsynth_vst.so")


@pytest.fixture(scope="session")
def amsynth() -> Path:
    """The amsynth plugin; its tests are skipped where it is not installed, unless CI requires them."""
    if not AMSYNTH.exists():
        if os.environ.get("TRIPTYCH_REQUIRE_PLUGINS") == "1":
            pytest.fail(f"{AMSYNTH} is missing, and TRIPTYCH_REQUIRE_PLUGINS=1: apt-get install amsynth")
        pytest.skip("amsynth is not installed: apt-get install amsynth")
    return AMSYNTH


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small dataset rendered by the built-in synth with one worker. Read only: copy it to change it."""
    folder = tmp_path_factory.mktemp("tiny")
    rendered.succeed("render", "make", rendered.write_config(folder), "--out", folder / "dataset")
    return folder / "dataset"


@pytest.fixture(scope="session")
def banked(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same dataset with its tone bank in it, made by two workers. Read only."""
    folder = tmp_path_factory.mktemp("banked") / "dataset"
    shutil.copytree(tiny, folder)
    rendered.succeed("render", "tones", folder, "--workers", "2")
    return folder
