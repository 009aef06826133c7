"""A host whose plugin misbehaves: the real host program around the real engine.

Tests set `presets.host.client.PROGRAM` to it. The fault is named by the first note's pitch, or, where
`TRIPTYCH_TEST_FAULTS` says so, by a value that is sent: a JSON list of [played, name, value, fault], where
`played` tells clips played by the plugin from tones, and a name of "" stands for every group.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from presets.host import engine, server

SEGFAULT, EXIT, SPIN, SLEEP, ALLOCATE, PRINT, KILL_HOST, KILLED, NAN, SILENT, LOUD, FORK = range(1, 13)
UNREPEATABLE = 13


def misbehave(fault: int) -> None:
    if fault == SEGFAULT:
        ctypes.string_at(0)
    elif fault == EXIT:
        os._exit(0)
    elif fault == SPIN:
        while True:
            pass
    elif fault == SLEEP:
        time.sleep(1000)
    elif fault == ALLOCATE:
        hoard = []
        while True:
            hoard.append(bytearray(1 << 24))
    elif fault == PRINT:
        for descriptor in (1, 2):
            os.write(descriptor, b"\x00\x00\x00\x02{}" * 10_000)
    elif fault == KILL_HOST:
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(10)
    elif fault == KILLED:
        os.kill(os.getpid(), signal.SIGKILL)
    elif fault == FORK:
        started = os.fork()
        if started == 0:
            time.sleep(1000)
        Path(os.environ["TMPDIR"], "started").write_text(str(started))


def fault_of(job):
    """Returns the fault of this group; 0 for none."""
    if "TRIPTYCH_TEST_FAULTS" not in os.environ:
        return job.notes[0].pitch
    if not job.takes and len(job.notes) == 1:
        return 0  # the host's own check
    for played, name, value, fault in json.loads(os.environ["TRIPTYCH_TEST_FAULTS"]):
        if played == bool(job.takes) and (not name or job.settings[name] == value):
            return fault
    return 0


class FaultyEngine(engine.Engine):
    def render(self, job):
        fault = fault_of(job)
        misbehave(fault)
        changed = {NAN: np.nan, SILENT: 0.0, LOUD: 1e3}
        for audio in super().render(job):
            if fault == UNREPEATABLE or os.environ.get("TRIPTYCH_TEST_UNREPEATABLE"):
                # Clicks, because a steady offset would be removed with the rumble.
                audio[:, ::97] += int.from_bytes(os.urandom(2), "big") * 1e-8
            yield audio * np.float32(changed[fault]) if fault in changed else audio


if __name__ == "__main__":
    engine.Engine = FaultyEngine
    sys.exit(server.main())
