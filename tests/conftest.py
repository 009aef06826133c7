"""Fixtures shared by all tests: where real plugins are, and small real datasets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

AMSYNTH = Path("/usr/lib/vst/amsynth_vst.so")


@pytest.fixture(scope="session")
def amsynth() -> Path:
    """The amsynth plugin; its tests are skipped where it is not installed, unless CI requires them."""
    if not AMSYNTH.exists():
        if os.environ.get("TRIPTYCH_REQUIRE_PLUGINS") == "1":
            pytest.fail(f"{AMSYNTH} is missing, and TRIPTYCH_REQUIRE_PLUGINS=1: apt-get install amsynth")
        pytest.skip("amsynth is not installed: apt-get install amsynth")
    return AMSYNTH
