"""The examples, and the code in docs/python.md, run as they are written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from manifests import Dataset
from tests.support.paths import ROOT


def run(example: str, *arguments: str | Path) -> str:
    command = [sys.executable, ROOT / "examples" / example, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_triplets(tiny: Path) -> None:
    lines = run("triplets.py", tiny).splitlines()
    assert lines[0].startswith(f"tiny: {len(Dataset(tiny))} clips in train, validation")
    assert sum(line.startswith("b0") for line in lines) == 3


def test_convert(tiny: Path, checkpoint: Path, tmp_path: Path) -> None:
    triplet = next(Dataset(tiny).triplets(kind="both"))
    for name, clip in (("a.wav", triplet.source), ("b.wav", triplet.reference)):
        soundfile.write(tmp_path / name, clip.pcm, clip.rate)
    printed = run("convert.py", tmp_path / "a.wav", tmp_path / "b.wav", tmp_path / "y.wav", checkpoint)
    assert f"y.wav: {len(triplet.source.pcm) / triplet.source.rate:.2f} s" in printed
    assert soundfile.info(tmp_path / "y.wav").frames == len(triplet.source.pcm)


def test_the_code_in_the_docs(
    tiny: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    triplet = next(Dataset(tiny).triplets(kind="both"))
    for name in ("source.wav", "reference.wav", "a.wav", "b.wav"):
        clip = triplet.source if name in ("source.wav", "a.wav") else triplet.reference
        soundfile.write(tmp_path / name, clip.pcm, clip.rate)
    for name, target in (("RUN/best.safetensors", checkpoint), ("demo/dataset", tiny)):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).symlink_to(target)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(), flags=re.DOTALL)
    assert len(blocks) == 3
    exec("\n".join(blocks), {})
    for name in ("converted.wav", "a_played_by_b.wav"):
        assert soundfile.info(name).frames == len(triplet.source.pcm)
