"""Fuzz runs: mangled MIDI files, recordings and presets give a result or a line, never a traceback.

`TRIPTYCH_FUZZ_S` sets the seconds of the long run, by default ten minutes; it draws other examples each time.
"""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from midi.cli import main as midi
from presets.cli.app import main as presets
from tests.support import odd_audio, odd_midi, odd_presets
from tests.support.properties import FUZZ_S, new_examples, repeat, same_examples
from train.cli.app import main as train

AUDIO = [*odd_audio.WHOLE.values(), *(odd_audio.encoded(odd_audio.sound(), kind) for kind in ("MP3", "OGG"))]
MIDI = [*odd_midi.WHOLE.values(), *odd_midi.BAD.values()]
PRESETS = [
    odd_presets.program("a", [0.5, 0.1]),
    odd_presets.bank([odd_presets.program("a", [0.5]), odd_presets.chunk_program("b", b"chunk")]),
    odd_presets.chunk_bank(3, b"chunk"),
    b"a: {b: 1}\n",
]
NAMES = ["a", "._a", "a[/b", "caf\udce9", ".hidden", "a.b"]
PROFILE = (
    "{name: mine, kind: vst2, plugin: plugin.so, banks: files, deterministic: true, warm_up_s: 0.1,"
    " parameters: {b: [0, 1, 0]}}"
)


def run(command: Callable[[], None], *arguments: str | Path) -> int:
    """Runs a command in this process; returns its exit code. Raises whatever else ends it."""
    before, sys.argv = sys.argv, ["triptych", *map(str, arguments)]
    said = io.StringIO()
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(said):
            command()
    except SystemExit as ended:
        code = int(ended.code or 0)
        assert code in (0, 1, 2)
        assert code == 0 or said.getvalue().strip(), "it failed without a word"
        return code
    finally:
        sys.argv = before
    return 0


def one_folder(folder: Path, kind: str, files: dict[str, bytes], skip: bool) -> None:
    """Runs the commands that read folders of a kind of file."""
    shutil.rmtree(folder, ignore_errors=True)
    inside = folder / "files"
    inside.mkdir(parents=True)
    for name, data in files.items():
        (inside / name).write_bytes(data)
    options = ["--skip-bad"] if skip else []
    if kind == "midi":
        out = folder / "p.parquet"
        assert (run(midi, "extract", inside, "--out", out, *options) == 0) == out.exists()
    elif kind == "presets":
        (folder / "plugin.so").write_bytes(b"\x7fELF")
        (folder / "mine.yaml").write_text(PROFILE)
        run(presets, "list", folder / "mine.yaml", *options)
    else:
        page = folder / "page.html"
        done = run(train, "page", "--folder", inside, "--out", page, *options)
        assert (done == 0) == page.exists()


ENDINGS = {
    "midi": ["mid", "MID", "kar", "rmi"],
    "presets": ["fxp", "FXB", "yaml"],
    "audio": ["wav", "WAV", "mp3"],
}
WHOLE = {"midi": MIDI, "presets": PRESETS, "audio": AUDIO}


@st.composite
def folders(draw: st.DrawFn, kind: str) -> dict[str, bytes]:
    """Draws a folder: names and bytes of up to four files, some of them mangled."""
    mangle = odd_midi.mangled if kind == "midi" else odd_audio.mangled
    data = st.one_of(st.sampled_from(WHOLE[kind]), mangle(WHOLE[kind]))
    if kind == "audio":
        names = [f"{draw(st.sampled_from(NAMES))}_{role}" for role in ("orig", "ref", "gt", "mine")]
    else:
        names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
    return {f"{name.replace('/', '')}.{draw(st.sampled_from(ENDINGS[kind]))}": draw(data) for name in names}


def fuzz(folder: Path, kind: str, how: settings, number: int | None = None) -> None:
    @how
    @given(folders(kind), st.booleans())
    def check(files: dict[str, bytes], skip: bool) -> None:
        one_folder(folder, kind, files, skip)

    (check if number is None else seed(number)(check))()


@pytest.mark.parametrize("kind", ["midi", "presets", "audio"])
def test_mangled_files_end_in_a_result_or_a_line(tmp_path: Path, kind: str) -> None:
    fuzz(tmp_path / "work", kind, settings(same_examples, max_examples=15 if kind == "audio" else 60))


@pytest.mark.verify
def test_ten_minutes_of_mangled_files(tmp_path: Path) -> None:
    drawn = iter(range(1_000_000))

    def check() -> None:
        number = next(drawn)
        for kind in WHOLE:
            fuzz(tmp_path / "work", kind, settings(new_examples, max_examples=30), number)

    assert repeat(FUZZ_S, check) > 0
