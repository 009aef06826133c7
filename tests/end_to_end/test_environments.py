"""Separate environments: rendering works without torch, training without DawDreamer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import datasets
from tests.support.paths import ROOT, TINY_CODEC

# Both tests install this tree: they run one after the other in one worker.
pytestmark = pytest.mark.xdist_group("environments")


def environment(folder: Path, extra: str) -> Path:
    """Creates a virtual environment with one extra, and returns its Python."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", "-e", f"{ROOT}[{extra}]"],
        check=True,
        capture_output=True,
    )
    return python


def run(python: Path, *arguments: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [python, *map(str, arguments)], capture_output=True, text=True, check=False, cwd=cwd
    )
    assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return done.stdout


def assert_missing(python: Path, *modules: str, cwd: Path) -> None:
    there = "' '.join(m for m in sys.argv[1:] if importlib.util.find_spec(m))"
    code = f"import importlib.util, sys; sys.exit({there} or None)"
    run(python, "-c", code, *modules, cwd=cwd)


def test_the_renderer_works_without_torch(tiny: Path, tmp_path: Path) -> None:
    python = environment(tmp_path / "venv", "render")
    assert_missing(python, "torch", "lightning_fabric", "tensorboard", cwd=tmp_path)
    config = datasets.write_config(tmp_path)
    run(python, "-m", "render", "make", config, "--out", tmp_path / "dataset", cwd=tmp_path)
    run(python, "-m", "manifests", "audit", tmp_path / "dataset", "--hash", "--rerender", "2", cwd=tmp_path)
    assert datasets.file_hashes(tmp_path / "dataset") == datasets.file_hashes(tiny)


@pytest.mark.verify
def test_the_trainer_works_without_the_renderer(tiny: Path, tmp_path: Path) -> None:
    python = environment(tmp_path / "venv", "train")
    assert_missing(python, "dawdreamer", "mido", "joblib", cwd=tmp_path)
    run(python, "-m", "train", "fit", TINY_CODEC, "--data", tiny, "--out", tmp_path / "run", cwd=tmp_path)
    checkpoint = tmp_path / "run" / "last.safetensors"
    page = tmp_path / "page.html"
    run(
        python, "-m", "train", "page", "--checkpoint", checkpoint, "--data", tiny, "--out", page, cwd=tmp_path
    )
    assert page.stat().st_size > 100_000


def test_the_trainer_imports_nothing_of_the_renderer(tiny: Path, tmp_path: Path) -> None:
    """Shows in seconds what the test above shows in two minutes: imports of the renderer fail here."""
    code = (
        "import runpy, sys; sys.modules |= dict.fromkeys(['dawdreamer', 'mido', 'joblib', 'render']);"
        " sys.argv[0] = 'train'; runpy.run_module('train', run_name='__main__')"
    )
    arguments = ("fit", TINY_CODEC, "--data", tiny, "--out", tmp_path / "run")
    run(Path(sys.executable), "-c", code, *arguments, cwd=ROOT)
    assert (tmp_path / "run" / "last.safetensors").exists()


def test_the_renderer_does_not_import_an_installed_torch() -> None:
    code = "import sys; from render.clips.shard import tar_writer as t; t(); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
