"""The version is stated once, and stands in what is written."""

from __future__ import annotations

import json
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from manifests import version
from manifests.version import DISTRIBUTION, package_version
from tests.support import commands
from tests.support.paths import ROOT


def test_the_version_of_a_checkout_is_its_own() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (DISTRIBUTION, package_version()) == (project["name"], project["version"])


def test_elsewhere_it_is_the_installed_package_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version, "__file__", str(tmp_path / "manifests" / "version.py"))
    monkeypatch.setattr(metadata, "version", {DISTRIBUTION: "9.8"}.__getitem__)
    assert package_version.__wrapped__() == "9.8"
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'another'\nversion = '5'\n")
    assert package_version.__wrapped__() == "9.8"

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert package_version.__wrapped__() == "unknown"


def test_a_dataset_names_the_version_that_planned_it(tiny: Path, tmp_path: Path) -> None:
    planned = json.loads((tiny / "dataset.json").read_text())
    assert planned["versions"] == {DISTRIBUTION: package_version()}
    assert DISTRIBUTION not in json.dumps(planned["fingerprint_of"])
    old = tmp_path / "old"
    old.mkdir()
    for name in ("envelopes.parquet", "phrases.parquet"):
        (old / name).write_bytes((tiny / name).read_bytes())
    del planned["versions"]
    (old / "dataset.json").write_text(json.dumps(planned))
    commands.succeed("render", "plan", old / "dataset.json", "--out", tmp_path / "again")
    assert (tmp_path / "again" / "dataset.json").read_bytes() == (tiny / "dataset.json").read_bytes()


@pytest.mark.parametrize("package", ["manifests", "midi", "presets", "render", "train"])
def test_every_command_says_it(package: str) -> None:
    assert commands.succeed(package, "--version") == f"{DISTRIBUTION} {package_version()}\n"
