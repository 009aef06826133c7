"""Small SVG pictures of numbers. Colours are CSS classes, so that they follow light and dark screens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from manifests.audit.page.sections import shorten
from manifests.html.svg import element, polyline_points
from manifests.types import Notes

Floats = npt.NDArray[np.floating]
Group = tuple[str, Floats, Floats | None]
"""Part of a histogram: colour class, values [n], weights [n] or None."""

WIDTH = 260.0
"""Width of every picture in its own units; the page scales it to its column."""
COLOURS = ("train", "test", "both", "synth", "plain", "asked", "other")
"""CSS classes that set a colour."""


def colour_class(name: str) -> str:
    """Returns the CSS class for `name`, which may come from a table: one of `COLOURS`, "other" if unknown."""
    return name if name in COLOURS else "other"


def axis_number(value: float) -> str:
    """Formats a number for an axis: three significant digits, whole numbers from 100 on."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def svg(height: float, label: str, *content: Markup) -> Markup:
    """Makes a picture `WIDTH` wide and `height` high; `label` is read aloud by screen readers."""
    box = f"0 0 {WIDTH:g} {height:g}"
    return element("svg", *content, viewBox=box, role="img", aria_label=shorten(label))


def text(x: float, y: float, words: str, anchor: str = "start") -> Markup:
    """Makes a text element; `anchor` is SVG's text-anchor."""
    return element("text", shorten(words), x=x, y=y, text_anchor=anchor)


def heat_map(
    share: Floats, kind: npt.NDArray[np.str_], rows: str, columns: str, size: float = 200.0
) -> Markup:
    """Draws a map of cells.

    Equal neighbours of a row become one rectangle, so that a full map needs few shapes.

    Args:
        share: [rows, columns], 0..1: how strong a cell's colour is.
        kind: [rows, columns]: the colour class of each cell.
        rows: What the rows are, for the axis.
        columns: What the columns are, for the axis.
        size: Height of the map.
    """
    height, width = share.shape
    dy, dx = size / height, WIDTH / width
    cells = []
    for y in range(height):
        x = 0
        while x < width:
            end = x + 1
            while end < width and share[y, end] == share[y, x] and kind[y, end] == kind[y, x]:
                end += 1
            if share[y, x] > 0:
                opacity = 0.25 + 0.75 * min(float(share[y, x]), 1.0)
                name = colour_class(kind[y, x])
                cells.append(_rect(name, x * dx, y * dy, (end - x) * dx, dy, opacity=opacity))
            x = end
    frame = _rect("frame", 0.5, 0.5, WIDTH - 1, size - 1)
    axes = (text(0, size + 15, f"{columns} →"), text(WIDTH, size + 15, f"↓ {rows}", "end"))
    return svg(
        size + 20, f"coverage of {rows} by {columns}", element("g", *cells, frame, *axes, class_="crisp")
    )


def histogram(
    groups: Sequence[Group],
    unit: str,
    asked: tuple[float, float] | None = None,
    even: bool = False,
    bins: int = 26,
) -> Markup:
    """Draws a histogram of stacked bars.

    Args:
        groups: What is stacked. Values that are not finite are left out.
        unit: Unit of the values, for the axis.
        asked: The configured range, drawn as a line below the bars.
        even: Also draw a dashed line at the height that all bars of very many uniform draws would have.
        bins: Number of bars.
    """
    every = np.concatenate([np.zeros(0), *(values[np.isfinite(values)] for _, values, _ in groups)])
    low, high = (float(every.min()), float(every.max())) if len(every) else (0.0, 1.0)
    if asked is not None:
        low, high = min(low, asked[0]), max(high, asked[1])
    if high <= low:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, bins + 1)
    counts = [np.histogram(values, edges, weights=weights)[0] for _, values, weights in groups]
    total = np.sum(counts, axis=0) if counts else np.zeros(bins)
    expected = 0.0
    if even and asked is not None and asked[1] > asked[0]:
        expected = float(total.sum()) * (high - low) / bins / (asked[1] - asked[0])
    top = max(float(total.max()), expected, 1e-9)
    floor, tall, step = 88.0, 82.0, WIDTH / bins
    base = np.zeros(bins)
    parts = []
    for (name, _, _), of in zip(groups, counts, strict=True):
        for i in np.flatnonzero(of > 0):
            y = floor - tall * (base[i] + of[i]) / top
            parts.append(_rect(colour_class(name), i * step + 0.5, y, step - 1, tall * of[i] / top))
        base += of
    parts.append(_line("axis", 0, WIDTH, floor, floor))
    if asked is not None:
        start, end = (WIDTH * (value - low) / (high - low) for value in asked)
        parts.append(_line("asked", start, max(end, start + 2), 92, 92))
        if expected:
            y = floor - tall * expected / top
            parts.append(_line("even", start, end, y, y))
    ends = [f"{axis_number(value)} {unit}".strip() for value in (low, high)]
    parts += [text(0, 108, ends[0]), text(WIDTH, 108, ends[1], "end")]
    return svg(112, f"histogram from {ends[0]} to {ends[1]}", *parts)


def quantile_bars(rows: Sequence[tuple[str, float, float, float]], unit: str) -> Markup:
    """Draws a bar from low to high with a dot at the middle for each (split, low, middle, high)."""
    low, high = min(row[1] for row in rows), max(row[3] for row in rows)
    span = max(high - low, 1e-9)
    parts = []
    for place, (name, *values) in enumerate(rows):
        y = 30.0 * place
        start, middle, end = (4 + (WIDTH - 8) * (value - low) / span for value in values)
        side = "train" if name in ("train", "validation") else "test"
        parts += [
            text(0, y + 11, name),
            text(WIDTH, y + 11, axis_number(values[1]), "end"),
            _rect(side, start, y + 17, max(end - start, 1), 5, rx=2.5, opacity=0.45),
            element("circle", class_=side, cx=middle, cy=y + 19.5, r=4.5),
        ]
    floor = 30.0 * len(rows) + 12
    ends = [f"{axis_number(value)} {unit}" for value in (low, high)]
    parts += [text(0, floor, ends[0]), text(WIDTH, floor, ends[1], "end")]
    return svg(floor + 5, f"by split, from {ends[0]} to {ends[1]}", *parts)


def density_strips(values: Mapping[str, Floats], bins: int = 24) -> Markup:
    """Draws a strip for each name, darker where more of its values [n] lie, from least to greatest."""
    left, tall = 116.0, 15.0
    step = (WIDTH - left) / bins
    parts = []
    for place, (name, of) in enumerate(values.items()):
        low, high = float(of.min()), float(of.max())
        counts = np.histogram(of, bins, (low, high) if high > low else (low - 0.5, high + 0.5))[0]
        bars = [
            _rect(
                "plain",
                left + i * step,
                tall * place + 2,
                step,
                tall - 4,
                opacity=0.25 + 0.75 * counts[i] / counts.max(),
            )
            for i in np.flatnonzero(counts)
        ]
        title = element("title", shorten(f"{name}: {axis_number(low)} to {axis_number(high)}"))
        parts.append(element("g", title, text(0, tall * place + 11, shorten(name, 18)), *bars))
    return svg(tall * len(values), "values of parameters", element("g", *parts, class_="crisp"))


def gain_curves(lines: Sequence[tuple[str, Floats]], end_ms: float, gate_ms: float) -> Markup:
    """Draws gain curves.

    Args:
        lines: (colour class, gain [samples], 0..1) of each curve, evenly spaced over 0..`end_ms`.
        end_ms: Time of the last sample, ms.
        gate_ms: Time of the note-off, ms.
    """
    floor, tall = 100.0, 94.0
    parts = []
    for name, values in lines:
        points = zip(np.linspace(0.0, WIDTH, len(values)), floor - tall * values, strict=True)
        parts.append(
            element("polyline", class_=f"curve {colour_class(name)}", points=polyline_points(points))
        )
    off = WIDTH * gate_ms / end_ms
    parts += [
        _line("axis", 0, WIDTH, floor, floor),
        _line("off", off, off, 4, floor),
        text(min(off, WIDTH - 90), 116, "note-off", "middle"),
        text(0, 116, "0"),
        text(WIDTH, 116, f"{axis_number(end_ms)} ms", "end"),
    ]
    return svg(120, "gain curves", *parts)


def piano_roll(notes: Notes, seconds: float, name: str, low: int, high: int) -> Markup:
    """Draws notes over `seconds` and MIDI pitches `low` to `high`, darker if louder; `name` colours them."""
    tall = 84.0
    step = tall / (high - low + 1)
    heights = [(high - pitch + 1) * step for pitch in range(low, high + 1) if pitch % 12 == 0]
    bars = [
        _rect(
            colour_class(name),
            WIDTH * note.onset / seconds,
            (high - note.pitch) * step,
            max(WIDTH * note.duration / seconds - 1, 1),
            max(step, 4),
            rx=1,
            opacity=0.35 + 0.65 * note.velocity / 127,
        )
        for note in notes
    ]
    octaves = [_line("octave", 0, WIDTH, y, y) for y in heights]
    frame = _rect("frame", 0.5, 0.5, WIDTH - 1, tall + 5)
    return svg(tall + 6, f"{len(notes)} notes", frame, *octaves, *bars)


def waveform(sound: Floats, gain: Floats) -> Markup:
    """Draws a clip's peaks, mirrored, and its gain curve over them, both scaled to the same height.

    Args:
        sound: Magnitudes [samples].
        gain: Gain of the phrase under its envelope, [samples].
    """
    columns, middle = 160, 40.0

    def peaks(values: Floats) -> Floats:
        parts = np.array_split(np.abs(values), columns)
        highest = np.array([float(part.max(initial=0.0)) for part in parts])
        return 36.0 * highest / max(float(highest.max()), 1e-9)

    x = np.linspace(0.0, WIDTH, columns)
    heights = peaks(sound)
    outline = [*zip(x, middle - heights, strict=True), *zip(x[::-1], (middle + heights)[::-1], strict=True)]
    over = zip(x, middle - peaks(gain), strict=True)
    return svg(
        80,
        "waveform and gain curve",
        element("polygon", class_="wave", points=polyline_points(outline)),
        element("polyline", class_="gain", points=polyline_points(over)),
    )


def _rect(name: str, x: float, y: float, width: float, height: float, **more: float) -> Markup:
    return element("rect", class_=name, x=x, y=y, width=width, height=height, **more)


def _line(name: str, x1: float, x2: float, y1: float, y2: float) -> Markup:
    return element("line", class_=name, x1=x1, x2=x2, y1=y1, y2=y2)
