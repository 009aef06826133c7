"""The host process, `python -m presets.host.server`: loads a plugin once, then forks one child per group.

It never plays a note itself, so that every fork starts from the same pristine plugin (field notes: nothing
else resets these plugins). It ends when its client closes the request pipe or dies.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

from presets.host import pipe, worker
from presets.synths.jobs import GroupJob, Limits
from presets.synths.plugin_file import plugin_sha256

POLL_S = 0.25
LOST_CLIENT = 3


def main() -> None:
    """Reads its configuration from the only argument, says that it is ready, then serves requests."""
    config = json.loads(sys.argv[1])
    requests = Connection(config["requests"], writable=False)
    answers = Connection(config["answers"], readable=False)
    limits = Limits(**config["limits"])
    # A Ctrl-C in the terminal is the client's to handle: it closes the pipe when it is ready to.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        plugin = Path(config["plugin"])
        if plugin_sha256(plugin) != config["plugin_sha256"]:
            raise ValueError(f"{plugin} is not the plugin that was opened: its SHA-256 has changed")
        # Imported here, so that whatever is wrong with DawDreamer becomes an answer.
        from presets.host.engine import Engine

        def load() -> Engine:
            engine = Engine(
                config["kind"], plugin, config["rate"], config["buffer_size"], config["warm_up_s"]
            )
            if missing := sorted(set(config["parameters"]) - set(engine.names)):
                raise ValueError(
                    f"{plugin} has no parameter {missing[0]!r}; its profile is for another version"
                )
            return engine

        # A plugin that cannot be forked is loaded anew by each group, in a fork of a process without it.
        if config["isolation"] == "process":
            render: worker.Render = lambda job: load().render(job)  # noqa: E731
            _try_out(load)
        else:
            render = load().render
    except BaseException as error:
        pipe.send(answers, {"error": " ".join(f"{type(error).__name__}: {error}".split())})
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
        # A client that was killed cannot clear up behind us.
        shutil.rmtree(config["folder"], ignore_errors=True)


def _try_out(load: Callable[[], object]) -> None:
    """Loads the plugin in a process that ends with it; an error is raised here."""
    reader, writer = Pipe(duplex=False)
    child = os.fork()
    if not child:
        said: dict[str, str] = {}
        try:
            load()
        except BaseException as error:
            said = {"error": f"{type(error).__name__}: {error}"}
        pipe.send(writer, said)
        os._exit(0)
    writer.close()
    answer = pipe.receive(reader)
    reader.close()
    os.waitpid(child, 0)
    if answer is None or "error" in answer:
        raise OSError("the plugin dies while it is loaded" if answer is None else answer["error"])


def _wait_readable(requests: Connection, client: int) -> bool:
    """Waits for a request (or the end of the pipe); False once the client is dead.

    The pipe's end alone is no proof of life: another child of the client may hold a copy of it.
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
    try:
        child, reader = worker.start(render, job, limits, memory, close)
    except OSError as error:
        return {"machine": f"cannot fork a group: {error}"}
    try:
        status = _supervise(child, reader, limits, client)
        if isinstance(status, str):
            return {"failure": "hung", "detail": status}
        said = pipe.receive(reader) if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0 else None
        return _answer(status, said, limits)
    finally:
        reader.close()
        # What the plugin may have started in the group's session ends with it.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)


def _answer(status: int, said: Any, limits: Limits) -> dict[str, Any]:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number == signal.SIGXCPU:
            return {"failure": "hung", "detail": f"used {limits.cpu_s} s of CPU time"}
        if number in (signal.SIGKILL, signal.SIGTERM):
            return {"machine": "a group was killed from outside (out of memory, or pre-empted?)"}
        return {"failure": "crashed", "detail": f"signal {signal.Signals(number).name}"}
    code = os.WEXITSTATUS(status)
    if code == worker.OK and said is not None:
        return dict(said)
    if code == worker.NO_MEMORY:
        return {"failure": "memory", "detail": f"wanted more than {limits.memory_bytes >> 20} MiB"}
    if code == worker.NO_SPACE:
        return {"machine": "no memory left for a group's audio"}
    if code == worker.REFUSED:
        return {"failure": "unloadable", "detail": "the plugin does not take this preset's file"}
    if code == worker.FAILED:
        return {"failure": "crashed", "detail": "the host's code failed while rendering, see its log"}
    return {"failure": "crashed", "detail": f"the plugin ended its process with status {code}"}


def _supervise(child: int, reader: Connection, limits: Limits, client: int) -> int | str:
    """Waits for a group's end: its wait status, or in words why it was killed.

    It says on the pipe `reader` that it is done, and closes it when it dies: until then one look in a while.
    """
    used, since = -1, time.monotonic()
    wait = 0.0005
    while True:
        heard = reader.poll(POLL_S)
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        if os.getppid() != client:
            _kill(child)
            sys.exit(LOST_CLIENT)
        ticks, state = _progress(child)
        # A process that waits for a CPU is not idle: on a busy machine it just has to wait.
        if ticks != used or state == "R":
            used, since = ticks, time.monotonic()
        elif time.monotonic() - since > limits.idle_s:
            _kill(child)
            return f"did nothing for {limits.idle_s:g} s"
        if heard:
            time.sleep(wait)
            wait = min(2 * wait, 0.01)


def _kill(child: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(child, 0)


def _progress(child: int) -> tuple[int, str]:
    """The CPU time used by a process, in clock ticks, and its state letter."""
    try:
        fields = Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return int(time.monotonic()), "?"
    return int(fields[11]) + int(fields[12]), fields[0]


if __name__ == "__main__":
    main()
