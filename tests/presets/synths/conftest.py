"""Fixtures of the synth tests: where plugins are installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.presets.plugins import require_plugin


@pytest.fixture(scope="module")
def nekobi() -> Path:
    return require_plugin("/usr/lib/vst/Nekobi-vst.so", "dpf-plugins-vst")
