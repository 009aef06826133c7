"""Defines canonical JSON and the hashes that are built on it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

Json = Any


def canonical_json(value: Json) -> bytes:
    """Returns JSON with sorted keys, no spaces, no NaN, as UTF-8: equal values give equal bytes.

    >>> canonical_json({"b": 1, "a": [0.5, None]})
    b'{"a":[0.5,null],"b":1}'
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return json_bytes(text)


def json_bytes(text: str) -> bytes:
    """Returns JSON as UTF-8. Bytes of file names that are no UTF-8 become escapes, from which they are read.

    >>> json_bytes('["caf\\udce9"]')
    b'["caf\\\\udce9"]'
    """
    return text.encode(errors="backslashreplace")


def sha256_json(value: Json) -> str:
    """Returns the SHA-256 (hex) of a value's canonical JSON.

    >>> sha256_json({"b": 1, "a": 2}) == sha256_json({"a": 2, "b": 1})
    True
    """
    return hashlib.sha256(canonical_json(value)).hexdigest()


def sha256_file(path: Path) -> str:
    """Returns the SHA-256 (hex) of a file's bytes.

    Example: `sha256_file(layout.inside(row["shard"])) == row["sha256"]` for a row of shards.parquet.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def differences(ours: Json, theirs: Json, path: str = "") -> list[str]:
    """Lists the differences of two JSON values, one line each: `path: ours != theirs`.

    >>> differences({"clip": {"rate": 44_100}}, {"clip": {"rate": 48_000}})
    ['clip.rate: 44100 != 48000']
    """
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
