"""Parts of the audit page as data: `page.html` turns them into HTML and escapes their text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from markupsafe import Markup

MAX_CHARACTERS = 200
"""Characters of one text of a dataset that the page shows."""


def shorten(value: object, most: int = MAX_CHARACTERS) -> str:
    """Returns a value as text of at most `most` characters; a longer one ends in an ellipsis."""
    text = str(value)
    return text if len(text) <= most else text[: most - 1] + "…"


@dataclass(frozen=True, slots=True)
class Table:
    """A table of plain values: a title for each column, and rows of as many cells."""

    kind: ClassVar[str] = "table"
    titles: Sequence[str]
    rows: Sequence[Sequence[object]]

    @property
    def numeric(self) -> list[bool]:
        """Whether each column holds numbers only, and there is a row: such columns are set to the right."""
        cells = [[str(cell) for cell in row] for row in self.rows]
        return [
            bool(cells) and all(row[i].lstrip("−-")[:1].isdigit() or not row[i] for row in cells)
            for i in range(len(self.titles))
        ]


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture under its caption; a clip's also has a key, a sound (base64 FLAC), a name and facts."""

    caption: str
    picture: Markup
    key: str = ""
    flac: str = ""
    name: str = ""
    facts: str = ""


@dataclass(frozen=True, slots=True)
class Grid:
    """Figures side by side, as many as fit; `wide` asks for fewer and larger ones."""

    kind: ClassVar[str] = "grid"
    figures: Sequence[Figure]
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Tiles:
    """Checks with what each looked at, and whether it passed: (check, looked at, passed)."""

    kind: ClassVar[str] = "tiles"
    checks: Sequence[tuple[str, str, bool]]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page under a heading. `note` is text, or our own markup."""

    title: str
    note: str | Markup
    parts: Sequence[Table | Grid | Tiles] = ()
