"""Says which process holds a folder, and whether it still lives, without locks of the file system.

Not every file system has locks, and some keep them to one machine. So a holder writes who it is: host, boot,
process namespace, process and when that began. On the same machine its death is seen; for another machine,
or a container that looks alike, silence decides.
"""

from __future__ import annotations

import json
import os
import platform
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from manifests.types import InputError

BEAT_S = 20.0
"""Seconds between a holder's signs of life."""
WAIT_S = 0.2
"""Seconds between two looks at a lock that is waited for."""
SILENT_S = 600.0
"""Seconds without a sign of life after which a holder on another machine counts as dead."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A process: `machine` names one boot and process namespace, `begun` tells reused process ids apart."""

    host: str
    machine: str
    pid: int
    begun: str

    @classmethod
    def here(cls) -> Holder:
        """Describes this process."""
        return cls(platform.node(), _machine(), os.getpid(), _begun(os.getpid()))

    def lives(self) -> bool | None:
        """Returns whether the process still runs; None if it is not of this machine."""
        if self.machine != _machine():
            return None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except OSError:
            return True
        return _begun(self.pid) == self.begun


def _machine() -> str:
    parts = [platform.node()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
    with suppress(OSError):
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    return " ".join(parts)


def _begun(pid: int) -> str:
    """Returns when a process began, in ticks since the machine's start; "" where that is not known."""
    with suppress(OSError, IndexError):
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return text.rsplit(")", 1)[1].split()[19]
    return ""


def write_holder(path: Path) -> bool:
    """Writes this process as the holder into a new file; returns False if the file exists.

    Raises OSError.

    Example: `write_holder(Path("work/tmp/task/lock"))`.
    """
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(Holder.here()), file)
    return True


def read_holder(path: Path) -> Holder | None:
    """Reads a holder's file; None if it is missing or not whole, as while it is written."""
    with suppress(OSError, ValueError, TypeError):
        return Holder(**json.loads(path.read_bytes()))
    return None


def is_dead(path: Path, silent_s: float = SILENT_S) -> bool:
    """Returns whether the holder of a file is dead: seen on its machine, or silent for `silent_s` seconds.

    Silence is measured by the file system's own clock, since machines' clocks differ.

    Example: `is_dead(Path("work/tmp/task/lock"))`.
    """
    holder = read_holder(path)
    lives = None if holder is None else holder.lives()
    return not lives if lives is not None else _silence_s(path) > silent_s


def _silence_s(path: Path) -> float:
    """Returns the seconds since a file was touched, 0.0 if it is gone."""
    now = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")
    with suppress(OSError):
        now.touch()
        try:
            return now.stat().st_mtime - path.stat().st_mtime
        finally:
            now.unlink(missing_ok=True)
    return 0.0


@contextmanager
def holding(path: Path, what: str, wait: bool = False) -> Iterator[None]:
    """Holds the file `path` as a lock on `what`. The lock of a dead process is taken over.

    If another process holds it, waits for its end with `wait`, else raises InputError, which names host and
    process.

    Example::

        with holding(Path("RUN/lock.json"), "RUN"):
            ...
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while not write_holder(path):
        holder = read_holder(path)
        if not is_dead(path) and wait:
            time.sleep(WAIT_S)
            continue
        if not is_dead(path):
            by = f"process {holder.pid} on {holder.host}" if holder else "another process"
            raise InputError(
                f"{what}: in use by {by}; wait for it, or use another folder. If it is dead, remove {path}"
            )
        _take_away(path, holder)
    stop = threading.Event()
    beats = threading.Thread(target=_beat, args=(path, stop), daemon=True)
    beats.start()
    try:
        yield
    finally:
        stop.set()
        beats.join()
        if read_holder(path) == Holder.here():
            path.unlink(missing_ok=True)


def _take_away(path: Path, holder: Holder | None) -> None:
    """Removes a dead holder's file, but not the one of another process that took over at the same moment."""
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.tmp")
    with suppress(FileNotFoundError):
        path.rename(aside)
        if read_holder(aside) != holder and not path.exists():
            aside.rename(path)
        else:
            aside.unlink()


def _beat(path: Path, stop: threading.Event) -> None:
    while not stop.wait(BEAT_S):
        with suppress(OSError):
            os.utime(path)
