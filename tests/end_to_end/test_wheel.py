"""A wheel built from the tree works installed alone, also beside modules of the same names.

Its dependencies are those of the running environment, by a .pth file: `test_environments` installs them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from manifests.version import package_version
from tests.support import datasets
from tests.support.paths import ROOT

PACKAGES = ("manifests", "midi", "presets", "render", "train")


def run(*command: str | Path, cwd: Path, path: str = "") -> str:
    """Runs a command that has to succeed, with `path` as PYTHONPATH; its stdout."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, cwd=cwd,
        env=environment | ({"PYTHONPATH": path} if path else {}),
    )  # fmt: skip
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a copy of the tree."""
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "tree"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, tree)
    build = ("pip", "wheel", "-q", "--no-deps", "--no-index", "--no-build-isolation")
    run(sys.executable, "-m", *build, "-w", folder, tree, cwd=folder)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def scripts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the scripts of an environment that holds the wheel."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
    python = folder / "bin" / "python"
    install = ("--python", python, "install", "-q", "--no-deps", "--no-index", wheel)
    run(sys.executable, "-m", "pip", *install, cwd=folder.parent)
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(run(python, "-c", code, cwd=folder).strip())
    (packages / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return folder / "bin"


def test_convert_uses_the_released_codec_from_an_empty_folder(scripts: Path, tmp_path: Path) -> None:
    clips = sorted((ROOT / "train" / "released_weights" / "clips").glob("01_*_*.flac"))
    for name, role in (("a.wav", "source"), ("b.wav", "reference")):
        sound, rate = soundfile.read(next(path for path in clips if path.stem.endswith(role)))
        soundfile.write(tmp_path / name, sound, rate)
    empty = tmp_path / "empty"
    empty.mkdir()
    command = ("convert", "--source", "../a.wav", "--reference", "../b.wav", "--out", "y.wav")
    assert " notes, octave " in run(scripts / "triptych-train", *command, cwd=empty)
    converted, rate = soundfile.read(empty / "y.wav")
    assert len(converted) == soundfile.info(tmp_path / "a.wav").frames
    assert np.abs(converted).max() > 0.01
    code = "import train; codec = train.load_codec(); print(codec.checkpoint)"
    used = run(scripts / "python", "-c", code, cwd=empty).strip()
    assert Path(used).is_relative_to(scripts.parent), "the weights of the wheel, not of this checkout"


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A user's folder with a package or module of the name of each of ours."""
    folder = tmp_path / "user"
    for package in PACKAGES[:-1]:
        (folder / package).mkdir(parents=True)
        (folder / package / "__init__.py").write_text("raise SystemExit('a package of the user')\n")
    (folder / "train.py").write_text("raise SystemExit('a module of the user')\n")
    return folder


def test_a_wheel_holds_every_data_file(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for package in PACKAGES:
        files = (path for path in (ROOT / package).rglob("*") if path.is_file())
        left = (ROOT / package).rglob("__pycache__/*"), (ROOT / package).glob("released_weights/clips/*")
        expected = {str(path.relative_to(ROOT)) for path in {*files}.difference(*left)}
        assert expected - names == set()
        assert f"{package}/py.typed" in names
    assert "train/released_weights/card.json" in names
    assert not any(name.startswith("train/released_weights/clips") for name in names)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_script_says_its_version_and_its_options(scripts: Path, tmp_path: Path, package: str) -> None:
    script = scripts / f"triptych-{package}"
    assert run(script, "--version", cwd=tmp_path) == f"triptych-audio {package_version()}\n"
    assert f"Usage: triptych-{package} [OPTIONS] COMMAND" in run(script, "--help", cwd=tmp_path)


def test_the_scripts_work_beside_modules_of_the_same_names(
    scripts: Path, hostile: Path, tiny: Path, checkpoint: Path
) -> None:
    dataset = hostile / "dataset"
    config = datasets.write_config(hostile)
    run(scripts / "triptych-render", "make", config, "--out", dataset, "--workers", "2", cwd=hostile)
    assert datasets.file_hashes(dataset) == datasets.file_hashes(tiny)
    audited = run(scripts / "triptych-manifests", "audit", dataset, "--rerender", "2", cwd=hostile)
    assert "made again       2 clips" in audited
    presets = run(scripts / "triptych-presets", "list", "builtin", cwd=hostile)
    assert len(presets.splitlines()) >= 6
    run(scripts / "triptych-midi", "generate", "--count", "2", "--out", "phrases.parquet", cwd=hostile)
    time_s = np.arange(44_100) / 44_100
    soundfile.write(hostile / "a.wav", 0.3 * np.sin(2.0 * np.pi * 440.0 * time_s), 44_100)
    train = (scripts / "triptych-train",)
    assert '"envelope"' in run(*train, "describe", "a.wav", "--checkpoint", checkpoint, cwd=hostile)
    convert = ("--checkpoint", checkpoint, "--source", "a.wav", "--reference", "a.wav", "--out", "b.wav")
    run(*train, "convert", *convert, cwd=hostile)
    assert soundfile.info(hostile / "b.wav").frames == 44_100


def test_a_checkout_works_beside_modules_of_the_same_names(hostile: Path, tiny: Path) -> None:
    """Child processes too: audit starts the renderer, the renderer the host of the synth."""
    command = (sys.executable, "-P", "-m", "manifests", "audit", tiny, "--rerender", "2")
    assert "made again       2 clips" in run(*command, cwd=hostile, path=str(ROOT))
