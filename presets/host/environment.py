"""Makes the surroundings of a host process: its environment variables, home folder and display."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import site
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from manifests import child_process

COPIED_BYTES = 1 << 20
"""Files of a home folder above this size are links to the user's, so that sample libraries are not copied."""
DISPLAY_TIMEOUT_S = 30.0
PR_SET_PDEATHSIG = 1


def host_environment(folder: Path, home: Path | None = None) -> dict[str, str]:
    """Returns the environment variables of a host process.

    HOME and TMPDIR are subfolders of `folder`, there is no display, and numeric libraries use one thread.
    HOME begins with the contents of `home`, if there is one: copies, so that hosts do not disturb each other.

    Raises OSError if `home` cannot be read or `folder` cannot be written.

    Example: `subprocess.run(command, env=host_environment(Path(folder)))`.
    """
    private = {name: folder / name.lower() for name in ("HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
    if home is not None:
        private["XDG_CONFIG_HOME"] = private["HOME"] / ".config"
        private["XDG_DATA_HOME"] = private["HOME"] / ".local" / "share"
        shutil.copytree(home, private["HOME"], copy_function=link_or_copy, ignore_dangling_symlinks=True)
    for place in private.values():
        place.mkdir(parents=True, exist_ok=True)
    inherited = child_process.environment()
    environment = {
        name: value for name, value in inherited.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")
    }
    environment |= {name: str(place) for name, place in private.items()}
    environment |= {
        # HOME is private, but packages may be installed in the user's site-packages.
        "PYTHONUSERBASE": site.getuserbase(),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    return environment


def link_or_copy(source: str, target: str) -> None:
    """Copies a file of a home folder, or links to it if it is large. Sockets and pipes are left out.

    Raises OSError if it cannot be read or written.

    Example: `shutil.copytree(home, target, copy_function=link_or_copy)`.
    """
    if not Path(source).is_file():
        return
    if Path(source).stat().st_size > COPIED_BYTES:
        Path(target).symlink_to(Path(source).resolve())
    else:
        shutil.copyfile(source, target)


def start_display() -> None:
    """Starts an X server without a screen (Xvfb) that ends with this process, and sets DISPLAY.

    Raises OSError if Xvfb is not installed or does not start.

    Example: `start_display()`, then load a plugin that opens windows.
    """
    program = shutil.which("Xvfb")
    if program is None:
        raise OSError("it needs a display, and Xvfb is not installed; apt-get install xvfb")
    reader, writer = os.pipe()
    parent = os.getpid()

    def follow_parent() -> None:
        os.setsid()
        if sys.platform == "linux":
            # SIGTERM, so that Xvfb removes its socket and lock.
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:
                os._exit(1)

    command = [program, "-displayfd", str(writer), "-screen", "0", "1280x1024x24", "-nolisten", "tcp"]
    with open(os.devnull, "r+b") as nothing:  # noqa: PTH123
        server = subprocess.Popen(
            command,
            stdin=nothing,
            stdout=nothing,
            stderr=nothing,
            pass_fds=(writer,),
            preexec_fn=follow_parent,
        )
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        number = answer.readline().strip().decode()
    if not number:
        with suppress(subprocess.TimeoutExpired):
            server.wait(DISPLAY_TIMEOUT_S)
        raise OSError(f"its display did not start: {program} ended with status {server.returncode}")
    os.environ["DISPLAY"] = f":{number}"
