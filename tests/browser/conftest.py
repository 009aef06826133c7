"""Fixtures of the browser tests: headless Chromium."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.chromium import Browser, chromium


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Starts headless Chromium. Skips its tests where it is not installed."""
    if chromium() is None:
        pytest.skip("chromium is not installed")
    with Browser(tmp_path_factory.mktemp("profile")) as running:
        yield running
