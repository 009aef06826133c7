"""Fixtures shared by all tests: installed plugins and small rendered datasets."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import commands, datasets
from tests.support.presets.odd_synth_builds import Build, build_odd

if TYPE_CHECKING:
    from manifests.dataset.bank import Bank

AMSYNTH = Path("/usr/lib/vst/amsynth_vst.so")


@pytest.fixture(scope="session")
def amsynth() -> Path:
    """Returns amsynth's path. Skips its tests where it is not installed, unless CI requires them."""
    if not AMSYNTH.exists():
        if os.environ.get("TRIPTYCH_REQUIRE_PLUGINS") == "1":
            pytest.fail(f"{AMSYNTH} is missing, and TRIPTYCH_REQUIRE_PLUGINS=1: apt-get install amsynth")
        pytest.skip("amsynth is not installed: apt-get install amsynth")
    return AMSYNTH


@pytest.fixture(scope="session")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Returns a function that builds our synth as `build_odd` does, once for equal arguments."""
    built: dict[str, Path] = {}

    def build(name: str = "Odd", kind: str = "vst2", **macros: object) -> Path:
        key = repr((name, kind, macros))
        if key not in built:
            built[key] = build_odd(tmp_path_factory.mktemp("odd"), name, kind, **macros)
        return built[key]

    return build


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Renders a small dataset by the built-in synth with one worker. Read only: copy it to change it."""
    folder = tmp_path_factory.mktemp("tiny")
    commands.succeed("render", "make", datasets.write_config(folder), "--out", folder / "dataset")
    return folder / "dataset"


@pytest.fixture(scope="session")
def audit_page(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Writes the audit page of the tiny dataset."""
    out = tmp_path_factory.mktemp("audit") / "deeper" / "page.html"
    commands.succeed("manifests", "audit", tiny, "--html", out)
    assert [path.name for path in out.parent.iterdir()] == ["page.html"]
    return out


@pytest.fixture(scope="session")
def banked(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copies the tiny dataset and adds its tone bank, rendered by two workers. Read only."""
    folder = tmp_path_factory.mktemp("banked") / "dataset"
    shutil.copytree(tiny, folder)
    commands.succeed("render", "tones", folder, "--workers", "2")
    return folder


@pytest.fixture(scope="session")
def bank(banked: Path) -> Bank:
    """Opens that tone bank."""
    from manifests.dataset.bank import Bank

    return Bank(banked / "tones")


@pytest.fixture
def bank_copy(banked: Path, tmp_path: Path) -> Path:
    """Copies the tone bank's folder, so that a test may damage it."""
    shutil.copytree(banked / "tones", tmp_path / "tones", ignore=shutil.ignore_patterns(".work"))
    return tmp_path / "tones"


@pytest.fixture(scope="session")
def page_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Writes a folder of audio files: three pairs and the conversions of two systems."""
    from tests.support.listening_page import write_pairs

    return write_pairs(tmp_path_factory.mktemp("files"))
