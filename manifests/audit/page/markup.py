"""The page's building blocks. What comes from a dataset is text that somebody else wrote: all is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

LONGEST = 200
"""Characters of one text out of a dataset that are shown."""


def words(value: object) -> str:
    """Any value as escaped text, also within an attribute; what is very long is cut."""
    said = str(value)
    return escape(said if len(said) <= LONGEST else said[: LONGEST - 1] + "…", quote=True)


def section(title: str, note: str, body: str) -> str:
    """A part of the page; `note` and `body` are HTML."""
    return f'<section><h2>{words(title)}</h2><p class="note">{note}</p>{body}</section>'


def table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of plain values; numbers spelled as text are set to the right by their column's class."""
    body = [[words(cell) for cell in row] for row in rows]
    numeric = [
        bool(body) and all(row[i].lstrip("−-")[:1].isdigit() or not row[i] for row in body)
        for i in range(len(titles))
    ]
    tag = [' class="number"' if flag else "" for flag in numeric]
    head = "".join(f"<th{of}>{words(title)}</th>" for of, title in zip(tag, titles, strict=True))
    lines = "".join(
        "<tr>" + "".join(f"<td{of}>{cell}</td>" for of, cell in zip(tag, row, strict=True)) + "</tr>"
        for row in body
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>'


def figure(caption: object, picture: str) -> str:
    """A picture under its caption."""
    return f"<figure><figcaption>{words(caption)}</figcaption>{picture}</figure>"


def grid(figures: Iterable[str], wide: bool = False) -> str:
    """Figures side by side, as many as fit; `wide`: fewer and larger ones."""
    return f'<div class="grid{" wide" if wide else ""}">{"".join(figures)}</div>'
