"""The command line: exit codes of an interrupt and of a closed pipe."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

TRAIN = [sys.executable, "-m", "train"]


def open_for_writing(fifo: Path, reader: subprocess.Popen[str]) -> int:
    """Opens a FIFO once a process reads it, and returns the descriptor."""
    deadline = time.monotonic() + 120
    while True:
        try:
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            assert reader.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_exits_with_130_and_one_line(tmp_path: Path, number: signal.Signals) -> None:
    config = tmp_path / "run.yaml"
    os.mkfifo(config)
    command = [*TRAIN, "fit", str(config), "--data", str(tmp_path), "--out", str(tmp_path / "run")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    writer = open_for_writing(config, process)
    process.send_signal(number)
    _, message = process.communicate(timeout=60)
    os.close(writer)
    assert process.returncode == 130, message
    assert message.startswith("error: interrupted")
    assert len(message.strip().splitlines()) == 1


def test_a_closed_pipe_ends_a_command_without_a_traceback() -> None:
    process = subprocess.Popen([*TRAIN, "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert b"Traceback" not in process.stderr.read()
    assert process.wait(timeout=60) == 1
