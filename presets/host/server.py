"""Serves render jobs in the host process: loads a plugin once, then forks one child per group.

The host never renders itself, so every fork starts from the same pristine plugin. Nothing else resets plugins
reliably. The host ends when its client closes the request pipe or dies.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

from manifests.limits import MEMORY, describe_os_error, described, limited_in
from presets.host import pipe, worker
from presets.host.environment import start_display
from presets.synths.jobs import GroupJob, Limits
from presets.synths.plugin_file import plugin_sha256

POLL_S = 0.25
LOST_CLIENT = 3
"""The exit status of a host whose client died."""


def main() -> None:
    """Reads the configuration (JSON) from the only argument, reports that it is ready, serves requests.

    A changed plugin (ValueError) or any other error of loading is reported to the client.
    """
    config = json.loads(sys.argv[1])
    requests = Connection(config["requests"], writable=False)
    answers = Connection(config["answers"], readable=False)
    limits = Limits(**config["limits"])
    # The client handles Ctrl-C in the terminal: it closes the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        plugin = Path(config["plugin"])
        if plugin_sha256(plugin) != config["plugin_sha256"]:
            raise ValueError(f"{plugin} is not the plugin that was opened: its SHA-256 has changed")
        if config["needs_display"]:
            start_display()
        # Imported here, so that an import error of DawDreamer is reported to the client.
        from presets.host.engine import Engine

        def load() -> Engine:
            timing = config["warm_up_s"], config["wait_s"]
            engine = Engine(config["kind"], plugin, config["rate"], config["buffer_size"], *timing)
            engine.check_parameters(config["parameters"])
            return engine

        # A plugin that cannot be forked is loaded by each group, in a fork of a process without the plugin.
        if config["isolation"] == "process":
            render: worker.Render = lambda job: load().render(job)  # noqa: E731
            _test_load(load)
        else:
            engine = load()
            engine.wait()
            render = engine.render
    except BaseException as error:
        line = f"{type(error).__name__}: {error}{limited_in(described())}"
        pipe.send(answers, {"error": " ".join(line.split())})
        return
    pipe.send(answers, {"ready": True})
    client = os.getppid()
    try:
        while _wait_readable(requests, client):
            message = pipe.receive(requests)
            if message is None:
                break
            job = GroupJob.from_json(message)
            pipe.send(answers, _group(render, job, limits, config["memory"], (requests, answers), client))
    finally:
        # A client that was killed cannot remove the folder.
        shutil.rmtree(config["folder"], ignore_errors=True)


def _test_load(load: Callable[[], object]) -> None:
    """Loads the plugin in a child process that then ends. Raises OSError if that fails."""
    reader, writer = Pipe(duplex=False)
    child = os.fork()
    if not child:
        message: dict[str, str] = {}
        try:
            load()
        except BaseException as error:
            message = {"error": f"{type(error).__name__}: {error}"}
        pipe.send(writer, message)
        os._exit(0)
    writer.close()
    answer = pipe.receive(reader)
    reader.close()
    os.waitpid(child, 0)
    if answer is None or "error" in answer:
        raise OSError("the plugin dies while it is loaded" if answer is None else answer["error"])


def _wait_readable(requests: Connection, client: int) -> bool:
    """Waits for a request or the end of the pipe; returns False once the client is dead.

    An open pipe does not prove that the client lives: another child of it may hold a copy.
    """
    while not requests.poll(2.0):
        if os.getppid() != client:
            return False
    return True


def _group(
    render: worker.Render,
    job: GroupJob,
    limits: Limits,
    memory: int,
    close: tuple[Connection, ...],
    client: int,
) -> dict[str, Any]:
    """Forks, supervises and ends one group; returns the answer to the client."""
    try:
        child, reader = worker.start(render, job, limits, memory, close)
    except OSError as error:
        return {"machine": describe_os_error(error, "starting a group")}
    try:
        status = _supervise(child, reader, limits, client)
        if isinstance(status, str):
            return {"failure": "hung", "detail": status}
        tells = os.WIFEXITED(status) and os.WEXITSTATUS(status) in worker.TELLING
        message = pipe.receive(reader) if tells else None
        return _answer(status, message, limits)
    finally:
        reader.close()
        # Ends processes that the plugin started in the group's session.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)


def _answer(status: int, message: Any, limits: Limits) -> dict[str, Any]:
    """Returns the answer to the client for a group's wait status and the message it sent, if any."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number == signal.SIGXCPU:
            if resource.getrlimit(resource.RLIMIT_CPU)[0] in range(limits.cpu_s):
                return {"machine": f"a group ran out of CPU time{limited_in(described(resource.RLIMIT_CPU))}"}
            return {"failure": "hung", "detail": f"used {limits.cpu_s} s of CPU time"}
        if number in (signal.SIGKILL, signal.SIGTERM):
            return {"machine": "a group was killed from outside (out of memory, or pre-empted?)"}
        name = signal.Signals(number).name
        # Few plugins check whether they got memory.
        if named := _short_of_memory(limits):
            return {"machine": f"a group died by {name}{named}"}
        return {"failure": "crashed", "detail": f"signal {name}"}
    code = os.WEXITSTATUS(status)
    if code == worker.OK and message is not None:
        return dict(message)
    if code == worker.NO_MEMORY:
        if named := _short_of_memory(limits):
            return {"machine": f"a group ran out of memory{named}"}
        return {"failure": "memory", "detail": f"wanted more than {limits.memory_bytes >> 20} MiB"}
    if code == worker.NO_SPACE:
        return {"machine": message["detail"] if message else "no memory left for a group's audio"}
    if code == worker.REFUSED:
        return {"failure": "unloadable", "detail": message["detail"] if message else "refused"}
    if code == worker.FAILED:
        return {"failure": "crashed", "detail": "the host's code failed while rendering, see its log"}
    return {"failure": "crashed", "detail": f"the plugin ended its process with status {code}"}


def _short_of_memory(limits: Limits) -> str:
    """Names the limit of address space if it is lower than what a group may have; "" if it is not."""
    if not Path("/proc/self/statm").exists():
        return ""
    low = resource.getrlimit(resource.RLIMIT_AS)[0] in range(worker.address_space(limits))
    return limited_in(described(*MEMORY)) if low else ""


def _supervise(child: int, reader: Connection, limits: Limits, client: int) -> int | str:
    """Waits until a group ends; returns its wait status, or the reason why it was killed for being idle.

    The group writes to the pipe `reader` when done, and closes it when it dies. Until then its CPU time is
    polled every `POLL_S`.
    """
    used, since = -1, time.monotonic()
    wait = 0.0005
    while True:
        is_ending = reader.poll(POLL_S)
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        if os.getppid() != client:
            _kill(child)
            sys.exit(LOST_CLIENT)
        ticks, state = _progress(child)
        # A runnable process is not idle: on a busy machine it waits for a CPU.
        if ticks != used or state == "R":
            used, since = ticks, time.monotonic()
        elif time.monotonic() - since > limits.idle_s:
            _kill(child)
            return f"did nothing for {limits.idle_s:g} s"
        if is_ending:
            time.sleep(wait)
            wait = min(2 * wait, 0.01)


def _kill(child: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(child, 0)


def _progress(child: int) -> tuple[int, str]:
    """Returns a process's CPU time in clock ticks and its state letter, from /proc."""
    try:
        fields = Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return int(time.monotonic()), "?"
    return int(fields[11]) + int(fields[12]), fields[0]


if __name__ == "__main__":
    main()
