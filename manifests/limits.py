"""Names the limits of resources that a scheduler or shell has set for this process (`ulimit`).

They are kept: what this package limits by itself is never above them. Where one of them stops a command, the
message names it, so that the blame does not fall on an input.
"""

from __future__ import annotations

import errno
import os
import resource
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    option: str
    unit: int
    shown: str
    ample: float
    """A limit at or above this stops nothing."""


_KINDS = {
    resource.RLIMIT_AS: _Kind("address space", "-v", 1 << 20, "MiB", float("inf")),
    resource.RLIMIT_DATA: _Kind("data", "-d", 1 << 20, "MiB", float("inf")),
    resource.RLIMIT_CPU: _Kind("CPU time", "-t", 1, "s", float("inf")),
    resource.RLIMIT_FSIZE: _Kind("file size", "-f", 1 << 20, "MiB", float("inf")),
    resource.RLIMIT_NOFILE: _Kind("open files", "-n", 1, "", 1024),
    resource.RLIMIT_NPROC: _Kind("processes and threads", "-u", 1, "", 1024),
}
_OF_ERROR = {
    errno.EFBIG: (resource.RLIMIT_FSIZE,),
    errno.EMFILE: (resource.RLIMIT_NOFILE,),
    errno.ENOMEM: (resource.RLIMIT_AS, resource.RLIMIT_DATA),
    errno.EAGAIN: (resource.RLIMIT_NPROC, resource.RLIMIT_AS),
}
MEMORY = (resource.RLIMIT_AS, resource.RLIMIT_DATA)


def lower(kind: int, soft: int, hard: int | None = None) -> None:
    """Lowers a limit of this process to `soft` and `hard` (by default the same), unless it is lower already.

    Example: `lower(resource.RLIMIT_CPU, 60, 70)`.
    """
    had = resource.getrlimit(kind)
    wanted = (soft, soft if hard is None else hard)
    lowered = [
        old if old != resource.RLIM_INFINITY and old < new else new
        for old, new in zip(had, wanted, strict=True)
    ]
    resource.setrlimit(kind, (min(lowered), lowered[1]))


def warn_before_the_end() -> None:
    """Lets the limit of CPU time signal SIGXCPU a while before it kills, as far as it would only kill.

    `ulimit -t` sets both limits alike, so that no command could say why it ends.

    Example: `warn_before_the_end()`, with a handler of SIGXCPU.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    if hard != resource.RLIM_INFINITY and soft == hard:
        resource.setrlimit(resource.RLIMIT_CPU, (max(1, hard - max(1, min(10, hard // 20))), hard))


def described(*kinds: int) -> str:
    """Describes the limits of this process that may stop a command, or those of `kinds`; "" if there is none.

    Example: `described(resource.RLIMIT_AS)` is "address space 512 MiB (ulimit -v)".
    """
    parts = []
    for kind in kinds or _KINDS:
        about, soft = _KINDS[kind], resource.getrlimit(kind)[0]
        if soft != resource.RLIM_INFINITY and soft < about.ample:
            amount = f"{soft / about.unit:.3g} {about.shown}".strip()
            parts.append(f"{about.name} {amount} (ulimit {about.option})")
    return ", ".join(parts)


def blamed(error: BaseException) -> str:
    """Returns which limits of this process an error comes from, as `; this process is limited in …`, or "".

    Example: `f"{path}: {error.strerror}{blamed(error)}"`.
    """
    kinds: tuple[int, ...] = ()
    if isinstance(error, MemoryError):
        kinds = MEMORY
    elif isinstance(error, OSError) and error.errno in _OF_ERROR:
        kinds = _OF_ERROR[error.errno]
    elif isinstance(error, RuntimeError | ImportError):
        # Neither has a number: the words of the system, of torch and of the threading module tell.
        if "memory" in str(error).lower() or "map segment" in str(error):
            kinds = MEMORY
        elif "start new thread" in str(error):
            kinds = (resource.RLIMIT_NPROC, *MEMORY)
    return limited_in(described(*kinds)) if kinds else ""


def limited_in(limits: str) -> str:
    """Returns `; this process is limited in …` for limits as `described` returns them, "" for none.

    >>> limited_in("open files 64 (ulimit -n)")
    '; this process is limited in open files 64 (ulimit -n)'
    """
    return f"; this process is limited in {limits}" if limits else ""


def describe_os_error(error: OSError, what: str = "") -> str:
    """Formats a system error as one line: the file's name, what failed, and a limit that it comes from.

    `what` says what was done where the error names no file. A number alone is never shown.

    >>> describe_os_error(FileNotFoundError(2, "No such file or directory", "a.wav"))
    'a.wav: No such file or directory'
    >>> describe_os_error(OSError(28, "No space left on device"), "writing RUN")
    'writing RUN: No space left on device'
    """
    file = error.filename2 or error.filename
    if isinstance(file, int):
        file = None
    reason = (
        error.strerror or str(error) or (os.strerror(error.errno) if error.errno else type(error).__name__)
    )
    place = what if file is None else os.fsdecode(file)
    return " ".join(f"{place}: {reason}{blamed(error)}".removeprefix(": ").split())
