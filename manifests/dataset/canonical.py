"""One spelling for everything that is hashed: canonical JSON, file hashes, the fingerprint."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

Json = Any


def canonical_json(value: Json) -> bytes:
    """JSON with sorted keys, no spaces, no NaN, UTF-8: equal values give equal bytes."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def sha256_json(value: Json) -> str:
    """The SHA-256 of a value's canonical JSON, in hex."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def differences(ours: Json, theirs: Json, path: str = "") -> list[str]:
    """Where two JSON values differ, one line each: `path: ours != theirs`."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        lines = []
        for key in sorted({*ours, *theirs}):
            lines += differences(ours.get(key), theirs.get(key), f"{path}.{key}" if path else str(key))
        return lines
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        return [
            line
            for index, (a, b) in enumerate(zip(ours, theirs, strict=True))
            for line in differences(a, b, f"{path}[{index}]")
        ]
    return [] if ours == theirs else [f"{path}: {_short(ours)} != {_short(theirs)}"]


def _short(value: Json) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "..."
