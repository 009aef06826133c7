"""Sends JSON objects over `multiprocessing.connection`, between the client, the host and its groups.

Each message is one frame of bytes, so nothing is ever unpickled. The connections are no standard streams:
what a plugin prints cannot be taken for a message.
"""

from __future__ import annotations

import json
from multiprocessing.connection import Connection
from typing import Any

MAX_BYTES = 1 << 24
"""The longest message that is accepted, in bytes."""


def send(connection: Connection, message: dict[str, Any]) -> None:
    """Sends one message. Raises BrokenPipeError if the other end is closed."""
    connection.send_bytes(json.dumps(message).encode())


def receive(connection: Connection) -> dict[str, Any] | None:
    """Receives one message.

    Returns None if the other end was closed, died within a message, or sent a frame above MAX_BYTES. Raises
    ValueError if the frame holds no JSON object.
    """
    try:
        frame = connection.recv_bytes(MAX_BYTES)
    except EOFError:
        return None
    except OSError as error:
        # The connection's own errors (a torn or an oversized frame) carry no number, the system's do.
        if error.errno is not None:
            raise
        return None
    return dict(json.loads(frame))
