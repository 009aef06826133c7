"""Messages between client and host: JSON objects, each behind its length (4 bytes, big-endian), on pipes
of their own, so that whatever a plugin prints cannot be taken for one.
"""

from __future__ import annotations

import json
import os
from typing import Any

LONGEST = 1 << 24


def send(descriptor: int, message: dict[str, Any]) -> None:
    """Writes one message; BrokenPipeError if nobody reads."""
    data = json.dumps(message).encode()
    data = len(data).to_bytes(4, "big") + data
    while data:
        data = data[os.write(descriptor, data) :]


def receive(descriptor: int) -> dict[str, Any] | None:
    """Reads one message; None where the other side has closed the pipe or died within a message."""
    head = _exactly(descriptor, 4)
    if head is None:
        return None
    length = int.from_bytes(head, "big")
    if length > LONGEST:
        raise ValueError(f"message of {length} bytes: the pipe carries something else")
    body = _exactly(descriptor, length)
    return None if body is None else dict(json.loads(body))


def _exactly(descriptor: int, count: int) -> bytes | None:
    data = b""
    while len(data) < count:
        piece = os.read(descriptor, count - len(data))
        if not piece:
            return None
        data += piece
    return data
