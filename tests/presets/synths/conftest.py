"""Fixtures of the synth tests: where plugins are installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.presets import plugins


@pytest.fixture(scope="module")
def nekobi() -> Path:
    return plugins.nekobi()
