"""Small pictures as SVG: numbers in, text out. Colours are CSS classes, to follow light and dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from manifests.audit.page.markup import words
from manifests.types import Notes

Floats = npt.NDArray[np.floating]
WIDTH = 260.0
COLOURS = ("train", "test", "both", "synth", "plain", "asked", "other")


def colour(name: str) -> str:
    """A CSS class for what a table calls `name`: never anything but one of `COLOURS`."""
    return name if name in COLOURS else "other"


def number(value: float) -> str:
    """A number as short as it can be read off an axis."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def svg(body: str, height: float, label: str) -> str:
    """A picture `WIDTH` x `height` that scales to its column."""
    return f'<svg viewBox="0 0 {WIDTH:g} {height:g}" role="img" aria-label="{words(label)}">{body}</svg>'


def text(x: float, y: float, said: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words(said)}</text>'


def heat(share: Floats, kind: npt.NDArray[np.str_], rows: str, columns: str, size: float = 200.0) -> str:
    """A map: `share` 0..1 [rows, columns] is how strong a cell's colour is, `kind` which one.

    Equal neighbours of a row become one rectangle, so that a full map is a handful of shapes.
    """
    height, width = share.shape
    dy, dx = size / height, WIDTH / width
    parts = []
    for y in range(height):
        x = 0
        while x < width:
            end = x + 1
            while end < width and share[y, end] == share[y, x] and kind[y, end] == kind[y, x]:
                end += 1
            if share[y, x] > 0:
                parts.append(
                    f'<rect class="{colour(kind[y, x])}" x="{x * dx:.2f}" y="{y * dy:.2f}"'
                    f' width="{(end - x) * dx:.2f}" height="{dy:.2f}"'
                    f' opacity="{0.25 + 0.75 * min(float(share[y, x]), 1.0):.2f}"/>'
                )
            x = end
    parts.append(f'<rect class="frame" x="0.5" y="0.5" width="{WIDTH - 1:g}" height="{size - 1:g}"/>')
    parts.append(text(0, size + 15, f"{columns} →") + text(WIDTH, size + 15, f"↓ {rows}", "end"))
    return svg(f'<g class="crisp">{"".join(parts)}</g>', size + 20, f"coverage of {rows} by {columns}")


def histogram(
    groups: Sequence[tuple[str, Floats, Floats | None]],
    unit: str,
    asked: tuple[float, float] | None = None,
    even: bool = False,
    bins: int = 26,
) -> str:
    """Stacked bars of (colour, values, weights).

    `asked` is the configured range, a line below; where values are drawn evenly from it (`even`), a
    dashed line is the height that all bars would have, were there very many.
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
            parts.append(
                f'<rect class="{colour(name)}" x="{i * step + 0.5:.1f}" y="{y:.1f}" width="{step - 1:.1f}"'
                f' height="{tall * of[i] / top:.1f}"/>'
            )
        base += of
    parts.append(f'<line class="axis" x1="0" x2="{WIDTH:g}" y1="{floor}" y2="{floor}"/>')
    if asked is not None:
        start, end = (WIDTH * (value - low) / (high - low) for value in asked)
        parts.append(f'<line class="asked" x1="{start:.1f}" x2="{max(end, start + 2):.1f}" y1="92" y2="92"/>')
        if expected:
            y = floor - tall * expected / top
            parts.append(f'<line class="even" x1="{start:.1f}" x2="{end:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>')
    ends = [f"{number(value)} {unit}".strip() for value in (low, high)]
    parts.append(text(0, 108, ends[0]) + text(WIDTH, 108, ends[1], "end"))
    return svg("".join(parts), 112, f"histogram from {ends[0]} to {ends[1]}")


def ranges(rows: Sequence[tuple[str, float, float, float]], unit: str) -> str:
    """One line for each (name, low, middle, high), all on one axis: a bar with a mark at the middle."""
    low, high = min(row[1] for row in rows), max(row[3] for row in rows)
    span = max(high - low, 1e-9)
    parts = []
    for place, (name, *values) in enumerate(rows):
        y = 30.0 * place
        start, middle, end = (4 + (WIDTH - 8) * (value - low) / span for value in values)
        side = "train" if name in ("train", "validation") else "test"
        parts.append(
            text(0, y + 11, name)
            + text(WIDTH, y + 11, number(values[1]), "end")
            + f'<rect class="{side}" x="{start:.1f}" y="{y + 17:.1f}" width="{max(end - start, 1):.1f}"'
            f' height="5" rx="2.5" opacity="0.45"/>'
            f'<circle class="{side}" cx="{middle:.1f}" cy="{y + 19.5:.1f}" r="4.5"/>'
        )
    floor = 30.0 * len(rows) + 12
    ends = [f"{number(value)} {unit}" for value in (low, high)]
    parts.append(text(0, floor, ends[0]) + text(WIDTH, floor, ends[1], "end"))
    return svg("".join(parts), floor + 5, f"by split, from {ends[0]} to {ends[1]}")


def strips(values: Mapping[str, Floats], bins: int = 24) -> str:
    """One line for each name: where its values lie between the least and the greatest of them."""
    left, tall = 116.0, 15.0
    step = (WIDTH - left) / bins
    parts = []
    for place, (name, of) in enumerate(values.items()):
        low, high = float(of.min()), float(of.max())
        counts = np.histogram(of, bins, (low, high) if high > low else (low - 0.5, high + 0.5))[0]
        bars = "".join(
            f'<rect class="plain" x="{left + i * step:.1f}" y="{tall * place + 2:.1f}" width="{step:.1f}"'
            f' height="{tall - 4:.1f}" opacity="{0.25 + 0.75 * counts[i] / counts.max():.2f}"/>'
            for i in np.flatnonzero(counts)
        )
        said = f"{name}: {number(low)} to {number(high)}"
        short = name if len(name) <= 18 else name[:17] + "…"
        parts.append(f"<g><title>{words(said)}</title>{text(0, tall * place + 11, short)}{bars}</g>")
    return svg(f'<g class="crisp">{"".join(parts)}</g>', tall * len(values), "values of parameters")


def curves(lines: Sequence[tuple[str, Floats]], end_ms: float, gate_ms: float) -> str:
    """Gain curves [samples] 0..1 of (colour, values), all over 0..`end_ms`; note-off at `gate_ms`."""
    floor, tall = 100.0, 94.0
    parts = []
    for name, values in lines:
        x = np.linspace(0.0, WIDTH, len(values))
        points = " ".join(f"{a:.1f},{floor - tall * b:.1f}" for a, b in zip(x, values, strict=True))
        parts.append(f'<polyline class="curve {colour(name)}" points="{points}"/>')
    off = WIDTH * gate_ms / end_ms
    parts.append(f'<line class="axis" x1="0" x2="{WIDTH:g}" y1="{floor}" y2="{floor}"/>')
    parts.append(f'<line class="off" x1="{off:.1f}" x2="{off:.1f}" y1="4" y2="{floor}"/>')
    parts.append(text(min(off, WIDTH - 90), 116, "note-off", "middle"))
    parts.append(text(0, 116, "0") + text(WIDTH, 116, f"{number(end_ms)} ms", "end"))
    return svg("".join(parts), 120, "gain curves")


def roll(notes: Notes, seconds: float, name: str, low: int, high: int) -> str:
    """A phrase as a piano roll over the clip, pitches `low`..`high`; louder notes are darker."""
    tall = 84.0
    step = tall / (high - low + 1)
    lines = "".join(
        f'<line class="octave" x1="0" x2="{WIDTH:g}" y1="{y:.1f}" y2="{y:.1f}"/>'
        for y in ((high - pitch + 1) * step for pitch in range(low, high + 1) if pitch % 12 == 0)
    )
    bars = "".join(
        f'<rect class="{colour(name)}" x="{WIDTH * note.onset / seconds:.1f}"'
        f' y="{(high - note.pitch) * step:.1f}"'
        f' width="{max(WIDTH * note.duration / seconds - 1, 1):.1f}" height="{max(step, 4):.1f}" rx="1"'
        f' opacity="{0.35 + 0.65 * note.velocity / 127:.2f}"/>'
        for note in notes
    )
    frame = f'<rect class="frame" x="0.5" y="0.5" width="{WIDTH - 1:g}" height="{tall + 5:g}"/>'
    return svg(frame + lines + bars, tall + 6, f"{len(notes)} notes")


def waveform(sound: Floats, gain: Floats) -> str:
    """A clip's highest magnitudes, mirrored, and its gain curve over them; both scaled to the height."""
    columns, middle = 160, 40.0

    def peaks(values: Floats) -> Floats:
        parts = np.array_split(np.abs(values), columns)
        found = np.array([float(part.max(initial=0.0)) for part in parts])
        return found / max(float(found.max()), 1e-9)

    x = np.linspace(0.0, WIDTH, columns)
    heights, line = 36.0 * peaks(sound), 36.0 * peaks(gain)
    outline = [(a, middle - b) for a, b in zip(x, heights, strict=True)]
    outline += [(a, middle + b) for a, b in zip(x[::-1], heights[::-1], strict=True)]
    shape = " ".join(f"{a:.1f},{b:.1f}" for a, b in outline)
    over = " ".join(f"{a:.1f},{middle - b:.1f}" for a, b in zip(x, line, strict=True))
    body = f'<polygon class="wave" points="{shape}"/><polyline class="gain" points="{over}"/>'
    return svg(body, 80, "waveform and gain curve")
