"""Runs a plugin in a host process: starts the process, sends it render jobs, and reads the audio back.

The host is a fresh interpreter that loads the plugin once and forks a child for each job (a group). Audio
is shared through an anonymous file in memory (memfd). Nothing is left behind after a crash, and the size
limit of /dev/shm does not apply.
"""

from __future__ import annotations

import json
import os
import shutil
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
from manifests.limits import describe_os_error, described, limited_in
from manifests.types import Note
from presets.host import pipe
from presets.host.environment import host_environment
from presets.synths.jobs import GroupFailure, GroupJob, Limits, MachineFailure, PresetState, Take
from presets.synths.profile import Profile
from presets.synths.synth import Synth

__all__ = ["GroupFailure", "GroupJob", "Limits", "MachineFailure", "SnapshotHost", "Take"]

F32 = npt.NDArray[np.float32]
PROGRAM = "presets.host.server"
START_TIMEOUT_S = 120.0
"""The longest time to load a plugin, in seconds of wall-clock time."""


class SnapshotHost:
    """Renders jobs of one synth in a process of its own.

    Use it as a context manager, from one thread at a time. `rate` is in Hz, `buffer_size` in samples;
    `scratch` is the folder for the host's private files, `profile` one to use instead of the synth's. Raises
    MachineFailure if the host cannot start.

    Example::

        with SnapshotHost(open_synth("builtin")) as host:
            audio = host.render(GroupJob({}, (Note(0.0, 0.5, 60, 100),), 1.0))
    """

    def __init__(
        self,
        synth: Synth,
        rate: int = 44100,
        buffer_size: int = 512,
        scratch: Path | None = None,
        limits: Limits | None = None,
        profile: Profile | None = None,
    ) -> None:
        self.synth = synth
        self.profile = profile or synth.profile
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
        """Ends the host process if it runs."""
        if self._process is not None:
            self._process.close()
            self._process = None

    def render(self, job: GroupJob) -> F32:
        """Renders a group in a fork of the pristine plugin: float32 [channels, samples].

        A host that dies is restarted once. Raises GroupFailure if the preset is at fault (crash, time
        limit, memory limit). Raises MachineFailure if the machine is (no memory, killed from outside, host
        dead twice).
        """
        for attempt in (1, 2):
            process = self._running()
            try:
                answer = process.request(job)
            except BaseException:
                # Interrupted: the answer to this job must not be read as the answer to the next one.
                self.close()
                raise
            if answer is not None:
                break
            log = process.log_tail()
            self.close()
            if attempt == 2:
                raise MachineFailure(
                    f"the host of {self.synth.name} died twice; end of its log:"
                    f" {log}{limited_in(described())}"
                )
        assert answer is not None
        if "machine" in answer:
            raise MachineFailure(f"host of {self.synth.name}: {answer['machine']}")
        if "failure" in answer:
            raise GroupFailure(str(answer["failure"]), str(answer["detail"]))
        return process.audio(answer["shapes"])

    def check_state(self, state: PresetState | None) -> None:
        """Loads a preset's state in a fork of its own, and compares the plugin with before.

        Raises GroupFailure if it is of another plugin or changes nothing, and what `render` raises.

        Example: `host.check_state(synth.preset_state(preset))`.
        """
        # An instrument of ZynAddSubFX is checked by its reader, and put into the plugin's own state.
        if state is not None and state.format != "zyn":
            self.render(GroupJob({}, (), 0.0, state=state, check=True))

    def self_test(self) -> None:
        """Renders a fixed note in two forks to test the host (the canary).

        Raises MachineFailure if it fails, is silent, or differs although the profile says `deterministic`.
        """
        settings = self.profile.host_values(self.profile.complete_parameters({}))
        job = GroupJob(settings, (Note(0.0, 0.3, 60, 100),), 0.4)
        try:
            first, second = self.render(job), self.render(job)
        except GroupFailure as failure:
            raise MachineFailure(f"{self.synth.name} cannot play its default sound: {failure}") from None
        if not np.isfinite(first).all() or float(np.abs(first).max(initial=0.0)) == 0.0:
            advice = "" if self.profile.kind == "faust" else " (see `wait_s` and `home` of profiles)"
            raise MachineFailure(
                f"{self.synth.name} plays its default sound as silence on this machine{advice}"
            )
        if self.synth.deterministic and not np.array_equal(first, second):
            raise MachineFailure(
                f"{self.synth.name} does not repeat itself on this machine, though its profile says so"
            )

    def _running(self) -> _HostProcess:
        if self._process is None:
            try:
                self._process = _HostProcess(self)
            except OSError as error:
                raise MachineFailure(
                    f"the host of {self.synth.name} could not start: {describe_os_error(error)}"
                ) from None
        return self._process


class _HostProcess:
    """Holds one host process, its pipes, its shared memory and its private folder."""

    def __init__(self, host: SnapshotHost) -> None:
        if host._scratch is not None:
            host._scratch.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix=f"{host.synth.name}-", dir=host._scratch))
        self.memory = _shared_memory(self.folder)
        theirs_in, self.requests = Pipe(duplex=False)
        self.answers, theirs_out = Pipe(duplex=False)
        profile = host.profile
        config = {
            "kind": profile.kind,
            "isolation": profile.isolation,
            "plugin": str(host.synth.plugin_path),
            "plugin_sha256": host.synth.plugin_sha256,
            "parameters": list(profile.parameters),
            "rate": host.rate,
            "buffer_size": host.buffer_size,
            "warm_up_s": profile.warm_up_s,
            "wait_s": profile.wait_s or 0.0,
            "needs_display": profile.needs_display,
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
                    env=host_environment(self.folder, profile.home),
                    cwd=self.folder,
                    pass_fds=inherited,
                )
        finally:
            theirs_in.close()
            theirs_out.close()
        # Also runs at interpreter exit, for hosts that were not closed.
        self.close = weakref.finalize(
            self, _end, self.process, (self.requests, self.answers), self.memory, self.folder
        )
        started = self.answers.poll(START_TIMEOUT_S)
        hello = pipe.receive(self.answers) if started else {"error": f"not ready after {START_TIMEOUT_S:g} s"}
        if hello is None or "error" in hello:
            reason = self.log_tail() if hello is None else str(hello["error"])
            self.close()
            raise MachineFailure(f"the host of {host.synth.name} could not start: {reason}")

    @property
    def _log(self) -> Path:
        return self.folder / "plugin.log"

    def request(self, job: GroupJob) -> dict[str, Any] | None:
        """Sends a job and waits for the host's answer; None if the host has died."""
        try:
            pipe.send(self.requests, job.to_json())
            return pipe.receive(self.answers)
        except BrokenPipeError:
            return None

    def audio(self, shapes: Sequence[tuple[int, int]]) -> F32:
        """Reads the last group's pieces from shared memory and joins them: float32 [channels, frames].

        `shapes` are the pieces' shapes (channels, frames), in the order written.
        """
        sizes = [channels * frames for channels, frames in shapes]
        played = np.empty(sum(sizes), dtype=np.float32)
        left, done = played.data.cast("B"), 0
        while left:
            read = os.preadv(self.memory, [left], done)
            if not read:
                raise MachineFailure("a group's audio is shorter than announced")
            left, done = left[read:], done + read
        if shapes[0][0] == 1:
            return played[None]
        pieces = zip(np.split(played, np.cumsum(sizes[:-1])), shapes, strict=True)
        return np.concatenate([piece.reshape(shape) for piece, shape in pieces], axis=1)

    def log_tail(self) -> str:
        """Returns the end of the log of plugin and host, on one line."""
        with suppress(OSError):
            text = self._log.read_bytes()[-400:].decode(errors="replace")
            return " ".join(text.split()) or "nothing"
        return "nothing"


def _end(
    process: subprocess.Popen[bytes], connections: tuple[Connection, ...], memory: int, folder: Path
) -> None:
    # The host ends once its pipe is closed; the group it waits for ends with it.
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
    """Returns the descriptor of a new anonymous file: in memory on Linux, elsewhere unlinked on disk."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("triptych-audio", os.MFD_CLOEXEC)
    descriptor, name = tempfile.mkstemp(dir=folder)
    Path(name).unlink()
    return descriptor
