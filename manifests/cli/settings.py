"""Formats pydantic's validation errors as one line, without importing pydantic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

LONGEST = 100
"""Characters of a faulty value that are shown; the rest is cut."""


def first_fault(errors: Sequence[Mapping[str, Any]], root: str) -> str:
    """Formats the first of a ValidationError's `errors()` as `field: expectation, got …`, with their count.

    `root` names the whole input for an error that belongs to no field.

    >>> error = {"loc": ("clip", "rate"), "type": "int_type", "msg": "expected an integer", "input": "x"}
    >>> first_fault([error], "config")
    "clip.rate: expected an integer, got 'x'"
    """
    first = errors[0]
    field = ".".join(str(part) for part in first["loc"]) or root
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    if first["type"] == "extra_forbidden":
        return f"{field}: unknown setting; check its spelling{more}"
    # For a whole section the message suffices without its value.
    given = "" if isinstance(first["input"], Mapping) else f", got {_short(first['input'])}"
    return f"{field}: {first['msg'].removeprefix('Value error, ')}{given}{more}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
