"""SVG elements as escaped markup."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape

Value = str | float
Point = tuple[float, float]


def element(tag: str, *content: str | Markup, **attributes: Value) -> Markup:
    """Makes one SVG element.

    Args:
        tag: Name of the element. It is written by us, never read from data.
        content: Text, which is escaped, or markup of other elements.
        attributes: Values of attributes, which are escaped. A trailing underscore of a name is dropped, any
            other becomes a hyphen. Numbers are written with at most two decimals.

    Example:
        >>> element("text", "a < b", x=1.5, text_anchor="end", class_="small")
        Markup('<text x="1.5" text-anchor="end" class="small">a &lt; b</text>')
    """
    spelled = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(_spelled(value))}"'
        for name, value in attributes.items()
    )
    inner = Markup("").join(content)
    # The tag and the names of attributes are ours; values and content are escaped above.
    return Markup(f"<{tag}{spelled}>{inner}</{tag}>" if inner else f"<{tag}{spelled}/>")


def polyline_points(points: Iterable[Point]) -> str:
    """Spells (x, y) pairs as the `points` of a polyline or polygon, with one decimal.

    >>> polyline_points([(0.0, 1.0), (2.0, 3.25)])
    '0.0,1.0 2.0,3.2'
    """
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _spelled(value: Value) -> str:
    if isinstance(value, str):
        return value
    return f"{round(value, 2) + 0.0:.2f}".rstrip("0").rstrip(".")
