"""The command line: exit codes of an interrupt and of a closed pipe."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

TRAIN = [sys.executable, "-m", "train"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_exits_with_130_and_one_line(tmp_path: Path, number: signal.Signals) -> None:
    key = tmp_path / "key.csv"
    os.mkfifo(key)
    command = [*TRAIN, "ratings", str(tmp_path / "a.csv"), "--key", str(key), "--out", str(tmp_path)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    # Opens once the command reads the key, and then waits for it.
    with key.open("w"):
        process.send_signal(number)
        _, message = process.communicate(timeout=60)
    assert process.returncode == 130
    assert message.startswith("error: interrupted")
    assert len(message.strip().splitlines()) == 1


def test_a_closed_pipe_ends_a_command_without_a_traceback() -> None:
    process = subprocess.Popen([*TRAIN, "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert b"Traceback" not in process.stderr.read()
    assert process.wait(timeout=60) == 1
