"""The client of a snapshot host: starts the child process, hands it groups, reads the audio back.

A host is one fresh interpreter that loads a plugin once and forks a child for each group. Audio comes
back through an unnamed file in memory that both processes hold: nothing has to be cleaned up after a
crash, and no limit of /dev/shm applies.
"""

from __future__ import annotations

import json
import os
import shutil
import site
import subprocess
import tempfile
import weakref
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from manifests import child_process
from manifests.types import Note
from presets.host import pipe
from presets.synths.jobs import GroupFailure, GroupJob, Limits, MachineFailure, Take
from presets.synths.synth import Synth

__all__ = ["GroupFailure", "GroupJob", "Limits", "MachineFailure", "SnapshotHost", "Take"]

F32 = npt.NDArray[np.float32]
PROGRAM = "presets.host.server"
START_TIMEOUT_S = 120.0
"""How long a plugin may take to load; by the clock, since nothing is known of a start that hangs."""


class SnapshotHost:
    """A synth in a process of its own. A context manager; not for use by two threads at once."""

    def __init__(
        self,
        synth: Synth,
        rate: int = 44100,
        buffer_size: int = 512,
        scratch: Path | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.synth = synth
        self.rate = rate
        self.buffer_size = buffer_size
        self.limits = limits or Limits()
        self._scratch = scratch
        self._process: _HostProcess | None = None

    def __enter__(self) -> SnapshotHost:
        self._running()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the host; harmless when it has ended already."""
        if self._process is not None:
            self._process.close()
            self._process = None

    def render(self, job: GroupJob) -> F32:
        """A group's audio, float32 [channels, samples]. GroupFailure, or MachineFailure.

        A host that dies is started once more; its plugin is as pristine then as it was.
        """
        for attempt in (1, 2):
            process = self._running()
            try:
                answer = process.request(job)
            except BaseException:
                # Interrupted: the answer still to come must not be taken for that to the next job.
                self.close()
                raise
            if answer is not None:
                break
            log = process.log_tail()
            self.close()
            if attempt == 2:
                raise MachineFailure(f"the host of {self.synth.name} died twice; it last said: {log}")
        assert answer is not None
        if "machine" in answer:
            raise MachineFailure(f"host of {self.synth.name}: {answer['machine']}")
        if "failure" in answer:
            raise GroupFailure(str(answer["failure"]), str(answer["detail"]))
        return process.audio(answer["shapes"])

    def self_test(self) -> None:
        """The canary: a fixed note in two forks. MachineFailure if it is silent or does not repeat."""
        settings = self.synth.profile.host_values(self.synth.profile.complete_parameters({}))
        job = GroupJob(settings, (Note(0.0, 0.3, 60, 100),), 0.4)
        try:
            first, second = self.render(job), self.render(job)
        except GroupFailure as failure:
            raise MachineFailure(f"{self.synth.name} cannot play its default sound: {failure}") from None
        if not np.isfinite(first).all() or float(np.abs(first).max(initial=0.0)) == 0.0:
            raise MachineFailure(f"{self.synth.name} plays its default sound as silence on this machine")
        if self.synth.deterministic and not np.array_equal(first, second):
            raise MachineFailure(
                f"{self.synth.name} does not repeat itself on this machine, though its profile says so"
            )

    def _running(self) -> _HostProcess:
        if self._process is None:
            try:
                self._process = _HostProcess(self)
            except OSError as error:
                raise MachineFailure(f"the host of {self.synth.name} could not start: {error}") from None
        return self._process


class _HostProcess:
    """One life of a host process, with its pipes, its shared memory and its private folder."""

    def __init__(self, host: SnapshotHost) -> None:
        if host._scratch is not None:
            host._scratch.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix=f"{host.synth.name}-", dir=host._scratch))
        self.memory = _shared_memory(self.folder)
        theirs_in, self.requests = Pipe(duplex=False)
        self.answers, theirs_out = Pipe(duplex=False)
        profile = host.synth.profile
        config = {
            "kind": profile.kind,
            "isolation": profile.isolation,
            "plugin": str(host.synth.plugin_path),
            "plugin_sha256": host.synth.plugin_sha256,
            "parameters": list(profile.parameters),
            "rate": host.rate,
            "buffer_size": host.buffer_size,
            "warm_up_s": profile.warm_up_s,
            "limits": asdict(host.limits),
            "requests": theirs_in.fileno(),
            "answers": theirs_out.fileno(),
            "memory": self.memory,
            "folder": str(self.folder),
        }
        inherited = (theirs_in.fileno(), theirs_out.fileno(), self.memory)
        try:
            with self._log.open("wb") as log:
                self.process = subprocess.Popen(
                    child_process.module_command(PROGRAM, json.dumps(config)),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=host_environment(self.folder),
                    cwd=self.folder,
                    pass_fds=inherited,
                )
        finally:
            theirs_in.close()
            theirs_out.close()
        # Also runs when the interpreter ends, for hosts that nobody closed.
        self.close = weakref.finalize(
            self, _end, self.process, (self.requests, self.answers), self.memory, self.folder
        )
        started = self.answers.poll(START_TIMEOUT_S)
        hello = pipe.receive(self.answers) if started else {"error": f"not ready after {START_TIMEOUT_S:g} s"}
        if hello is None or "error" in hello:
            said = self.log_tail() if hello is None else str(hello["error"])
            self.close()
            raise MachineFailure(f"the host of {host.synth.name} could not start: {said}")

    @property
    def _log(self) -> Path:
        return self.folder / "plugin.log"

    def request(self, job: GroupJob) -> dict[str, Any] | None:
        """The host's answer, or None if it has died."""
        try:
            pipe.send(self.requests, job.to_json())
            return pipe.receive(self.answers)
        except BrokenPipeError:
            return None

    def audio(self, shapes: Sequence[tuple[int, int]]) -> F32:
        """A copy of the pieces that the last group left in the shared memory: float32 [channels, frames]."""
        sizes = [channels * frames for channels, frames in shapes]
        played = np.empty(sum(sizes), dtype=np.float32)
        left, done = played.data.cast("B"), 0
        while left:
            read = os.preadv(self.memory, [left], done)
            if not read:
                raise MachineFailure("a group's audio is shorter than it said")
            left, done = left[read:], done + read
        if shapes[0][0] == 1:
            return played[None]
        pieces = zip(np.split(played, np.cumsum(sizes[:-1])), shapes, strict=True)
        return np.concatenate([piece.reshape(shape) for piece, shape in pieces], axis=1)

    def log_tail(self) -> str:
        """The last words of the plugin and the host, on one line."""
        with suppress(OSError):
            text = self._log.read_bytes()[-400:].decode(errors="replace")
            return " ".join(text.split()) or "nothing"
        return "nothing"


def _end(
    process: subprocess.Popen[bytes], connections: tuple[Connection, ...], memory: int, folder: Path
) -> None:
    # The host ends by itself once its pipe is closed; a group it is waiting for dies with it.
    for connection in connections:
        connection.close()
    with suppress(OSError):
        os.close(memory)
    try:
        process.wait(timeout=0.5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    shutil.rmtree(folder, ignore_errors=True)


def _shared_memory(folder: Path) -> int:
    """The descriptor of an unnamed file: in memory on Linux, elsewhere one already unlinked."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("triptych-audio", os.MFD_CLOEXEC)
    descriptor, name = tempfile.mkstemp(dir=folder)
    Path(name).unlink()
    return descriptor


def host_environment(folder: Path) -> dict[str, str]:
    """The host's environment: a private home, no display, one thread, and the packages we run from."""
    private = {name: folder / name.lower() for name in ("HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
    for place in private.values():
        place.mkdir()
    inherited = child_process.environment()
    environment = {
        name: value for name, value in inherited.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")
    }
    environment |= {name: str(place) for name, place in private.items()}
    environment |= {
        # The home is private, but packages may be installed in the user's own.
        "PYTHONUSERBASE": site.getuserbase(),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    return environment
