"""Fixtures of the synth tests: where plugins are installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.presets.plugins import required


@pytest.fixture(scope="module")
def nekobi() -> Path:
    return required("/usr/lib/vst/Nekobi-vst.so", "dpf-plugins-vst")
