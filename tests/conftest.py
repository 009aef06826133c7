"""Fixtures shared by all tests: where real plugins are, and small real datasets."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.support import rendered
from tests.support.paths import CONFIGS, TRAIN_CONFIGS

if TYPE_CHECKING:
    from manifests.dataset.bank import Bank
    from manifests.dataset.layout import Layout
    from tests.support.chromium import Browser

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
def audit_page(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page that its audit writes."""
    out = tmp_path_factory.mktemp("audit") / "deeper" / "page.html"
    rendered.succeed("manifests", "audit", tiny, "--html", out)
    assert [path.name for path in out.parent.iterdir()] == ["page.html"]
    return out


@pytest.fixture(scope="session")
def banked(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same dataset with its tone bank in it, made by two workers. Read only."""
    folder = tmp_path_factory.mktemp("banked") / "dataset"
    shutil.copytree(tiny, folder)
    rendered.succeed("render", "tones", folder, "--workers", "2")
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
def demo_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's dataset: a minute on two cores, for verify alone. Read only."""
    folder = tmp_path_factory.mktemp("demo") / "dataset"
    rendered.succeed("render", "make", CONFIGS / "demo.yaml", "--out", folder)
    return folder


@pytest.fixture(scope="session")
def demo_run(demo_data: Path) -> Path:
    """The demo's training, its steps counted, so that a slow machine trains as long: for verify alone."""
    config = yaml.safe_load((TRAIN_CONFIGS / "demo.yaml").read_text())
    del config["minutes"]
    path = demo_data.parent / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    rendered.succeed("train", "fit", path, "--data", demo_data, "--out", demo_data.parent / "run")
    return demo_data.parent / "run"


@pytest.fixture(scope="session")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A dataset by the contract, with every split held out, that no renderer made. Read only."""
    from tests.support.synthetic_dataset import make_dataset

    folder = tmp_path_factory.mktemp("held_out")
    return make_dataset(folder, train=(4, 2, 2), test=(2, 2, 2), seconds=0.6, validation=0.5)


@pytest.fixture(scope="session")
def codec(held_out: Layout, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a real, untrained codec for that dataset."""
    from tests.support.training.tiny_codec import make_checkpoint

    return make_checkpoint(tmp_path_factory.mktemp("codec") / "tiny.safetensors", held_out)


@pytest.fixture(scope="session")
def evaluated(held_out: Layout, codec: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `train evaluate` wrote of that codec: one pair a kind of two splits."""
    from train.cli.evaluate import evaluate

    out = tmp_path_factory.mktemp("scores")
    splits = ["validation", "test_unseen_all"]
    evaluate(out, [str(codec)], str(held_out.root), splits, 1, workers=1, retake=held_out.root)
    return out


@pytest.fixture(scope="session")
def page_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of audio files: three pairs and what two systems made of them."""
    from tests.support.listening_page import write_pairs

    return write_pairs(tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Headless Chromium; its tests are skipped where it is not installed."""
    from tests.support.chromium import Browser, chromium

    if chromium() is None:
        pytest.skip("chromium is not installed")
    with Browser(tmp_path_factory.mktemp("profile")) as running:
        yield running
