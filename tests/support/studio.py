"""The studio as it is run: the command in a process of its own."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import soundfile

from manifests.child_process import environment, module_command
from tests.support.tunes import RATE, tune


def require_gradio() -> None:
    """Skips the test where the extra `studio` is not installed, unless CI requires it."""
    if find_spec("gradio") is None:
        if os.environ.get("TRIPTYCH_REQUIRE_PLUGINS") == "1":
            pytest.fail("gradio is not installed, and TRIPTYCH_REQUIRE_PLUGINS=1: install the extra `studio`")
        pytest.skip("gradio is not installed: install the extra `studio`")


class Studio(NamedTuple):
    """A running studio: its address, and the folder that its uploads lie in."""

    url: str
    temporary: Path

    def uploads(self) -> list[Path]:
        """Lists the files that the studio holds on disk, without the empty ones that Gradio leaves."""
        return [path for path in self.temporary.rglob("*") if path.is_file() and path.stat().st_size]


@contextmanager
def running_studio(folder: Path) -> Iterator[Studio]:
    """Starts the studio on a free port, and ends it."""
    require_gradio()
    temporary = Path(tempfile.mkdtemp(dir=folder))
    command = module_command("train", "studio", "--port", "0")
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env={**environment(), "TMPDIR": str(temporary), "OMP_NUM_THREADS": "1"},
    )
    assert process.stdout is not None
    try:
        yield Studio(process.stdout.readline().strip(), temporary)
    finally:
        process.terminate()
        process.wait(20)
    assert not any(temporary.iterdir())


def write_recordings(folder: Path) -> dict[str, Path]:
    """Writes two tunes of different timbres, and files that nothing can be heard in."""
    folder.mkdir(exist_ok=True)
    soundfile.write(folder / "source tune.wav", tune(0.8, 0), RATE)
    soundfile.write(folder / "reference.wav", tune(0.8, 3, 1), RATE)
    (folder / "text.wav").write_text("no audio")
    (folder / "film.mp4").write_bytes(b"\0\0\0\x20ftypisom" + bytes(5000))
    soundfile.write(folder / "ten minutes.flac", np.zeros(600 * 8000, dtype=np.int16), 8000)
    soundfile.write(folder / "silence.wav", np.zeros(RATE, dtype=np.int16), RATE)
    (folder / "large.wav").write_bytes(os.urandom(1 << 20) * 21)
    return {path.stem: path for path in folder.iterdir()}


REFUSED = {
    "text": "text.wav: not a readable audio file",
    "film": "film.mp4: not a readable audio file",
    "ten minutes": "ten minutes.flac: longer than 60 s; cut out the phrase that is meant",
    "silence": "silence.wav: no note is heard, so there is nothing to encode",
}
"""The line that each of these files gives."""
