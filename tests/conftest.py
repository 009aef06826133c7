"""Fixtures shared by all tests: where real plugins are, and small real datasets."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import commands, datasets

if TYPE_CHECKING:
    from manifests.dataset.bank import Bank

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
    commands.succeed("render", "make", datasets.write_config(folder), "--out", folder / "dataset")
    return folder / "dataset"


@pytest.fixture(scope="session")
def audit_page(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page that its audit writes."""
    out = tmp_path_factory.mktemp("audit") / "deeper" / "page.html"
    commands.succeed("manifests", "audit", tiny, "--html", out)
    assert [path.name for path in out.parent.iterdir()] == ["page.html"]
    return out


@pytest.fixture(scope="session")
def banked(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same dataset with its tone bank in it, made by two workers. Read only."""
    folder = tmp_path_factory.mktemp("banked") / "dataset"
    shutil.copytree(tiny, folder)
    commands.succeed("render", "tones", folder, "--workers", "2")
    return folder


@pytest.fixture(scope="session")
def bank(banked: Path) -> Bank:
    """That bank, opened."""
    from manifests.dataset.bank import Bank

    return Bank(banked / "tones")


@pytest.fixture
def bank_copy(banked: Path, tmp_path: Path) -> Path:
    """A copy of the tone bank's folder, which a test may damage."""
    shutil.copytree(banked / "tones", tmp_path / "tones", ignore=shutil.ignore_patterns(".work"))
    return tmp_path / "tones"


@pytest.fixture(scope="session")
def page_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of audio files: three pairs and what two systems made of them."""
    from tests.support.listening_page import write_pairs

    return write_pairs(tmp_path_factory.mktemp("files"))
