"""Parts of a file, as tuples of pieces: spans of its bytes, and bytes of ours such as a header."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias


class Span(NamedTuple):
    """The bytes of a file from `start` up to `end`."""

    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start


Part: TypeAlias = "tuple[bytes | Span, ...]"
