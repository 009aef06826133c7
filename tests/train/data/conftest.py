"""Fixtures of the data tests: a small dataset at 8 kHz and its tables."""

from __future__ import annotations

import pytest

from manifests.dataset.layout import Layout
from tests.support.synthetic_dataset import make_dataset
from train.data.tables import Tables


@pytest.fixture(scope="session")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return make_dataset(tmp_path_factory.mktemp("data") / "set", train=(4, 4, 4), seconds=0.6, rate=8000)


@pytest.fixture(scope="session")
def tables(layout: Layout) -> Tables:
    return Tables.open(layout.root)
