"""Serves the studio, on this computer alone unless it is asked otherwise."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable
from typing import Any

from manifests.cli import console
from manifests.types import InputError
from train.codec.api import Codec

QUIET = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
"""Environment in which Gradio reports nothing to anybody."""


def serve(codec: Codec, checkpoint: str | None, host: str, port: int, say: Callable[[str], Any]) -> None:
    """Serves the studio until it is interrupted; `say` is told its address. Port 0 takes a free one.

    Uploads lie in a folder of their own, which is deleted at the end. `checkpoint` is the path of the weights
    for the command lines that are shown; None are the released ones.

    Raises InputError if the port cannot be used. Ends the program with one line if Gradio is not installed.
    """
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        raise InputError(f"--host {host} --port {port}: cannot be used ({error.strerror})") from None
    with tempfile.TemporaryDirectory(prefix="triptych-studio-") as folder, listening:
        # Gradio reads its environment when it is imported.
        os.environ |= {**QUIET, "GRADIO_TEMP_DIR": folder}
        with console.requires("studio"):
            from train.studio.app import studio_app
        import uvicorn

        config = uvicorn.Config(
            studio_app(codec, checkpoint), log_level="critical", timeout_graceful_shutdown=1
        )
        say(f"http://{host}:{listening.getsockname()[1]}/")
        uvicorn.Server(config).run(sockets=[listening])
