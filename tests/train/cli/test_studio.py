"""The command of the studio: what it refuses, each in one line."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from tests.train.cli.test_refusals import run_and_read_error
from train.studio.server import QUIET


def test_without_its_extra_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # The command sets these for its process, which is the tests' here: they are restored afterwards.
    for name in (*QUIET, "GRADIO_TEMP_DIR"):
        monkeypatch.setenv(name, "")
    monkeypatch.setitem(sys.modules, "gradio", None)
    for name in ("train.studio.app", "train.studio.page"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    code, line = run_and_read_error(monkeypatch, capsys, "studio", "--port", 0)
    assert (code, line) == (1, "error: gradio is not installed; pip install 'triptych-audio[studio]'")


def test_a_port_in_use_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, line = run_and_read_error(monkeypatch, capsys, "studio", "--port", port)
    assert code == 2
    assert line == f"error: --host 127.0.0.1 --port {port}: cannot be used (Address already in use)"


def test_other_commands_do_not_import_gradio() -> None:
    code = (
        "import sys; from train.cli.app import COMMANDS, register; register(list(COMMANDS));"
        " sys.exit('gradio' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
