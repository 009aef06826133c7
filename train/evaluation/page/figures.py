"""The page's own figures as SVG: an envelope on one note, and what a conversion takes from where."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from manifests.html.svg import element, polyline_points
from manifests.synthesis.envelope import gain_curve, settle_ms
from manifests.types import Envelope

EXAMPLE = Envelope(attack_ms=120, hold_ms=60, decay_ms=180, sustain=0.45, release_ms=240)
"""The envelope that the page explains envelopes by."""

LEFT, RIGHT, TOP, FLOOR = 10.0, 470.0, 34.0, 150.0
"""Edges of the envelope's plot."""
HELD_MS = 240.0
"""Time that the drawn note stays at its sustain level."""
ADSR_LABEL = (
    "The envelope of one note: its level rises during attack, stays during hold, falls during decay to the"
    " sustain level, stays there until the note ends, and falls to silence during release."
)
PIPELINE_LABEL = (
    "The source gives the content, the reference the timbre and the envelope; the system makes one sound of"
    " them, which is scored against the target."
)


def adsr_svg(envelope: Envelope = EXAMPLE) -> Markup:
    """Draws an envelope with the names of its segments, on a note long enough for all of them."""
    gate_ms = settle_ms(envelope) + HELD_MS
    end_ms = gate_ms + envelope.release_ms + 40.0

    def x(ms: float) -> float:
        return LEFT + (RIGHT - LEFT) * ms / end_ms

    times = np.linspace(0.0, end_ms, 441)
    levels = FLOOR - (FLOOR - TOP) * gain_curve(envelope, gate_ms, times)
    line = polyline_points((x(time), level) for time, level in zip(times, levels, strict=True))
    ground = polyline_points([(x(0), FLOOR)]), polyline_points([(x(end_ms), FLOOR)])
    lengths = {
        "attack": envelope.attack_ms,
        "hold": envelope.hold_ms,
        "decay": envelope.decay_ms,
        "sustain": HELD_MS,
        "release": envelope.release_ms,
    }
    parts = [
        element("polygon", class_="fill", points=f"{ground[0]} {line} {ground[1]}"),
        element("line", class_="axis", x1=LEFT, x2=RIGHT, y1=FLOOR, y2=FLOOR),
    ]
    start = 0.0
    for name, length in lengths.items():
        if length > 0.0:
            end = x(start + length)
            parts.append(element("text", name, x=x(start + length / 2), y=TOP - 14))
            parts.append(element("line", class_="mark", x1=end, x2=end, y1=TOP - 8, y2=FLOOR))
            start += length
    held = FLOOR + 14
    parts += [
        element("polyline", class_="line", points=line),
        element("line", class_="gate", x1=x(0), x2=x(gate_ms), y1=held, y2=held),
        element("text", "the note is held", x=x(gate_ms / 2), y=FLOOR + 34),
    ]
    return element("svg", *parts, viewBox="0 0 480 192", role="img", aria_label=ADSR_LABEL)


BOXES = {
    "source": (8, 20, "source", "source"),
    "reference": (8, 118, "reference", "reference"),
    "content": (158, 20, "content", "source"),
    "timbre": (158, 92, "timbre", "reference"),
    "envelope": (158, 144, "envelope", "reference"),
    "converted": (322, 70, "converted", "converted"),
    "target": (322, 150, "target", "target"),
}
"""Boxes of the pipeline figure: left and top edge, text, and the role whose colour they have."""
ARROWS = (
    ("source", "content"), ("reference", "timbre"), ("reference", "envelope"),
    ("content", "converted"), ("timbre", "converted"), ("envelope", "converted"),
)  # fmt: skip

BOX_WIDTH, BOX_HEIGHT = 112.0, 34.0


def pipeline_svg() -> Markup:
    """Draws what a conversion takes from the source and the reference, and what it is compared with."""

    def edge(name: str, right: bool) -> tuple[float, float]:
        x, y, _, _ = BOXES[name]
        return x + (BOX_WIDTH if right else 0.0), y + BOX_HEIGHT / 2

    parts = []
    for start, end in ARROWS:
        (x1, y1), (x2, y2) = edge(start, True), edge(end, False)
        bend = (x1 + x2) / 2
        line = f"M{x1:.0f} {y1:.0f}C{bend:.0f} {y1:.0f} {bend:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"
        parts.append(element("path", class_="arrow", d=line))
    middle = BOXES["converted"][0] + BOX_WIDTH / 2
    low = BOXES["converted"][1] + BOX_HEIGHT
    down = f"M{middle:.0f} {low:.0f}V{BOXES['target'][1]:.0f}"
    parts.append(element("path", class_="arrow scored", d=down))
    parts.append(element("text", "scored against", class_="small", x=middle + 8, y=low + 27))
    for x, y, words, role in BOXES.values():
        box = {"x": x, "y": y, "width": BOX_WIDTH, "height": BOX_HEIGHT, "rx": 6}
        parts.append(element("rect", class_=f"box b-{role}", **box))
        parts.append(element("text", words, x=x + BOX_WIDTH / 2, y=y + 22, text_anchor="middle"))
    return element("svg", *parts, viewBox="0 0 470 196", role="img", aria_label=PIPELINE_LABEL)
