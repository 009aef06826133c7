"""VST2 programs and banks as bytes, made by the format's definition."""

from __future__ import annotations

import struct
from collections.abc import Sequence

PLUGIN_ID = b"Tst1"
"""The id of the plugin that the programs are for."""


def _sized(body: bytes) -> bytes:
    return b"CcnK" + struct.pack(">I", len(body)) + body


def _program(kind: bytes, name: str, count: int, rest: bytes) -> bytes:
    return _sized(kind + struct.pack(">i4sii28s", 1, PLUGIN_ID, 1, count, name.encode()) + rest)


def program(name: str, values: Sequence[float]) -> bytes:
    """Returns a program of parameter values (.fxp, FxCk)."""
    return _program(b"FxCk", name, len(values), struct.pack(f">{len(values)}f", *values))


def chunk_program(name: str, chunk: bytes) -> bytes:
    """Returns a program of a plugin's own bytes (.fxp, FPCh)."""
    return _program(b"FPCh", name, 1, struct.pack(">I", len(chunk)) + chunk)


def _bank(kind: bytes, count: int, rest: bytes) -> bytes:
    return _sized(kind + struct.pack(">i4sii128s", 1, PLUGIN_ID, 1, count, b"") + rest)


def bank(programs: Sequence[bytes], count: int | None = None) -> bytes:
    """Returns a bank of programs (.fxb, FxBk)."""
    return _bank(b"FxBk", len(programs) if count is None else count, b"".join(programs))


def chunk_bank(count: int, chunk: bytes) -> bytes:
    """Returns a bank of a plugin's own bytes (.fxb, FBCh)."""
    return _bank(b"FBCh", count, struct.pack(">I", len(chunk)) + chunk)
