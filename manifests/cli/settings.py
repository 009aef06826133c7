"""What is wrong with settings that a user wrote, in one line, from pydantic's errors and without pydantic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

LONGEST = 100
"""Characters of a value that is at fault; what is longer is cut."""


def first_fault(errors: Sequence[Mapping[str, Any]], root: str) -> str:
    """`field: what was expected, got …`: the first of a ValidationError's `errors()`, and how many there are.

    `root` names what is wrong as a whole, where no single field is.
    """
    first = errors[0]
    field = ".".join(str(part) for part in first["loc"]) or root
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    if first["type"] == "extra_forbidden":
        return f"{field}: unknown setting; check its spelling{more}"
    # Of a section as a whole the message says enough.
    given = "" if isinstance(first["input"], Mapping) else f", got {_short(first['input'])}"
    return f"{field}: {first['msg'].removeprefix('Value error, ')}{given}{more}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
