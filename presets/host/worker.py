"""Renders one group in a fork of the pristine host, with limits on time and memory.

The fork writes the audio to shared memory and reports its shapes on a pipe. Failures are reported by the exit
status.
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

from manifests.limits import describe_os_error, lower
from presets.host import pipe
from presets.synths.jobs import GroupJob, Limits, PresetRefused

OK, FAILED, NO_MEMORY, NO_SPACE, REFUSED = 0, 81, 82, 83, 84
"""Exit statuses of a group."""
TELLING = (OK, NO_SPACE, REFUSED)
"""The statuses with a message on the pipe."""
NO_ROOM = (errno.ENOSPC, errno.ENOMEM, errno.EFBIG, errno.EMFILE)
"""Errors of the machine, or of limits of this process."""
MAX_FILE_BYTES = 1 << 30
PR_SET_PDEATHSIG = 1

Render = Callable[[GroupJob], Iterable[npt.NDArray[np.float32]]]
"""Renders a group in pieces: float32 [channels, samples] each, with equal numbers of channels."""


def start(
    render: Render, job: GroupJob, limits: Limits, memory: int, close: Sequence[Connection]
) -> tuple[int, Connection]:
    """Forks a group; returns its process id, and the connection on which it reports the audio's shapes.

    `memory` is the descriptor of the shared memory. `close` are the host's own connections, to which a plugin
    must not write. Raises OSError if the fork fails.
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
        _set_limits(limits, host)
        _write_audio(render(job), memory, writer)
        status = OK
    except MemoryError:
        status = NO_MEMORY
    except PresetRefused as error:
        print(f"group: {error}", file=sys.stderr, flush=True)
        pipe.send(writer, {"detail": str(error)})
        status = REFUSED
    except OSError as error:
        print(f"group: {error}", file=sys.stderr, flush=True)
        pipe.send(writer, {"detail": describe_os_error(error, "writing a group's audio")})
        status = NO_SPACE if error.errno in NO_ROOM else FAILED
    except BaseException as error:
        print(f"group: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
    finally:
        # No exit handlers: the plugin's would run in a copy of the process that registered them.
        os._exit(status)


def address_space(limits: Limits) -> int:
    """Returns the bytes of address space that a group may have: what the host has, and its limit. Linux only.

    Example: `resource.getrlimit(resource.RLIMIT_AS)[0] in range(address_space(limits))`.
    """
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
        return int(file.read().split()[0]) * resource.getpagesize() + limits.memory_bytes


def _set_limits(limits: Limits, host: int) -> None:
    """Starts a session of its own, sets the resource limits, and ends with the host on Linux."""
    os.setsid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != host:
            os._exit(FAILED)
        lower(resource.RLIMIT_AS, address_space(limits))
    lower(resource.RLIMIT_CPU, limits.cpu_s, limits.cpu_s + 10)
    lower(resource.RLIMIT_CORE, 0)
    # A plugin that prints endlessly must not fill the disk.
    lower(resource.RLIMIT_FSIZE, MAX_FILE_BYTES)


def _write_audio(pieces: Iterable[npt.NDArray[np.float32]], memory: int, writer: Connection) -> None:
    """Writes a group's pieces to shared memory one after another, then reports their shapes."""
    shapes, done = [], 0
    for piece in pieces:
        shapes.append(list(piece.shape))
        left = piece.data.cast("B")
        while left:
            written = os.pwrite(memory, left, done)
            left, done = left[written:], done + written
    message: dict[str, Any] = {"shapes": shapes}
    pipe.send(writer, message)
