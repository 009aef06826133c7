"""The life of one group: forked from the pristine host, bound in time and memory, gone when it is done.

Its audio goes into the shared memory whose descriptor the host was given; what happened goes to the host
by the exit status, and by a short message on a pipe where the audio is there.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from multiprocessing.connection import Connection, Pipe
from typing import Any

import numpy as np
import numpy.typing as npt

from presets.host import pipe
from presets.synths.jobs import GroupJob, Limits, PresetRefused

OK, FAILED, NO_MEMORY, NO_SPACE, REFUSED = 0, 81, 82, 83, 84
LARGEST_FILE = 1 << 30
PR_SET_PDEATHSIG = 1

Render = Callable[[GroupJob], Iterable[npt.NDArray[np.float32]]]
"""Plays a group: float32 [channels, samples] piece by piece, all of as many channels."""


def start(
    render: Render, job: GroupJob, limits: Limits, memory: int, close: Sequence[Connection]
) -> tuple[int, Connection]:
    """Forks a group; its process id, and the connection on which it says the audio's shape.

    `close` are the host's own connections: a plugin must not be able to write to them.
    """
    reader, writer = Pipe(duplex=False)
    host = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        writer.close()
        return child, reader
    status = FAILED
    try:
        for connection in (reader, *close):
            connection.close()
        _bind(limits, host)
        _put(render(job), memory, writer)
        status = OK
    except MemoryError:
        status = NO_MEMORY
    except PresetRefused as error:
        print(f"group: {error}", file=sys.stderr, flush=True)
        status = REFUSED
    except OSError as error:
        print(f"group: {error}", file=sys.stderr, flush=True)
        status = NO_SPACE if error.errno in (errno.ENOSPC, errno.ENOMEM) else FAILED
    except BaseException as error:
        print(f"group: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
    finally:
        # No exit handlers: the plugin's would run in a process that is only a copy of its own.
        os._exit(status)


def _bind(limits: Limits, host: int) -> None:
    os.setsid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != host:
            os._exit(FAILED)
        pages = int(open("/proc/self/statm").read().split()[0])  # noqa: PTH123, SIM115
        bound = pages * resource.getpagesize() + limits.memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (bound, bound))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s + 10))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # What a plugin prints without end must not fill the disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))


def _put(pieces: Iterable[npt.NDArray[np.float32]], memory: int, writer: Connection) -> None:
    """Writes a group's pieces one behind the other, each as it is played, and says their shapes."""
    shapes, done = [], 0
    for piece in pieces:
        shapes.append(list(piece.shape))
        left = piece.data.cast("B")
        while left:
            written = os.pwrite(memory, left, done)
            left, done = left[written:], done + written
    said: dict[str, Any] = {"shapes": shapes}
    pipe.send(writer, said)
