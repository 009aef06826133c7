"""The page's own figure: an envelope on one note, drawn from its definition, as SVG."""

from __future__ import annotations

import numpy as np

from manifests.synthesis.envelope import gain_curve, settle_ms
from manifests.types import Envelope

EXAMPLE = Envelope(attack_ms=120, hold_ms=60, decay_ms=180, sustain=0.45, release_ms=240)
"""What the page's head explains an envelope by."""

LEFT, RIGHT, TOP, FLOOR = 10.0, 470.0, 34.0, 150.0
HELD_MS = 240.0
"""How long the drawn note stays at its sustain level."""


def adsr_svg(envelope: Envelope = EXAMPLE) -> str:
    """The parts of an envelope by name, on a note long enough for all of them."""
    gate_ms = settle_ms(envelope) + HELD_MS
    end_ms = gate_ms + envelope.release_ms + 40.0

    def x(ms: float) -> float:
        return LEFT + (RIGHT - LEFT) * ms / end_ms

    times = np.linspace(0.0, end_ms, 441)
    levels = FLOOR - (FLOOR - TOP) * gain_curve(envelope, gate_ms, times)
    line = " ".join(f"{x(t):.1f},{level:.1f}" for t, level in zip(times, levels, strict=True))
    lengths = {
        "attack": envelope.attack_ms,
        "hold": envelope.hold_ms,
        "decay": envelope.decay_ms,
        "sustain": HELD_MS,
        "release": envelope.release_ms,
    }
    parts = [
        '<svg viewBox="0 0 480 192" role="img" aria-label="The envelope of one note: its level rises during'
        " attack, stays during hold, falls during decay to the sustain level, stays there until the note"
        ' ends, and falls to silence during release.">',
        f'<polygon class="fill" points="{x(0):.1f},{FLOOR} {line} {x(end_ms):.1f},{FLOOR}"/>',
        f'<line class="axis" x1="{LEFT}" x2="{RIGHT}" y1="{FLOOR}" y2="{FLOOR}"/>',
    ]
    start = 0.0
    for name, length in lengths.items():
        if length > 0.0:
            middle, end = x(start + length / 2), x(start + length)
            parts.append(f'<text x="{middle:.1f}" y="{TOP - 14}">{name}</text>')
            parts.append(f'<line class="mark" x1="{end:.1f}" x2="{end:.1f}" y1="{TOP - 8}" y2="{FLOOR}"/>')
            start += length
    held = FLOOR + 14
    parts += [
        f'<polyline class="line" points="{line}"/>',
        f'<line class="gate" x1="{x(0):.1f}" x2="{x(gate_ms):.1f}" y1="{held}" y2="{held}"/>',
        f'<text x="{x(gate_ms / 2):.1f}" y="{FLOOR + 34}">the note is held</text>',
        "</svg>",
    ]
    return "".join(parts)


BOXES = {
    "source": (8, 20, "source", "source"),
    "reference": (8, 118, "reference", "reference"),
    "content": (158, 20, "content", "source"),
    "timbre": (158, 92, "timbre", "reference"),
    "envelope": (158, 144, "envelope", "reference"),
    "made": (322, 70, "converted", "converted"),
    "target": (322, 150, "target", "target"),
}
"""Boxes of the pipeline figure: left and top edge, what is written in them, whose colour they have."""

BOX_WIDTH, BOX_HEIGHT = 112.0, 34.0


def pipeline_svg() -> str:
    """What is taken from where, and what the result is compared with."""

    def edge(name: str, right: bool) -> tuple[float, float]:
        x, y, _, _ = BOXES[name]
        return x + (BOX_WIDTH if right else 0.0), y + BOX_HEIGHT / 2

    parts = [
        '<svg viewBox="0 0 470 196" role="img" aria-label="The source gives the content, the reference the'
        " timbre and the envelope; the system makes one sound of them, which is scored against the"
        ' target.">',
    ]
    ways = (("source", "content"), ("reference", "timbre"), ("reference", "envelope"))
    for a, b in (*ways, ("content", "made"), ("timbre", "made"), ("envelope", "made")):
        (x1, y1), (x2, y2) = edge(a, True), edge(b, False)
        bend = (x1 + x2) / 2
        line = f"M{x1:.0f} {y1:.0f}C{bend:.0f} {y1:.0f} {bend:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"
        parts.append(f'<path class="way" d="{line}"/>')
    middle = BOXES["made"][0] + BOX_WIDTH / 2
    low = BOXES["made"][1] + BOX_HEIGHT
    parts.append(f'<path class="way scored" d="M{middle:.0f} {low:.0f}V{BOXES["target"][1]:.0f}"/>')
    parts.append(f'<text class="small" x="{middle + 8:.0f}" y="{low + 27:.0f}">scored against</text>')
    for x, y, words, colour in BOXES.values():
        size = f'x="{x}" y="{y}" width="{BOX_WIDTH:.0f}" height="{BOX_HEIGHT:.0f}" rx="6"'
        parts.append(f'<rect class="box b-{colour}" {size}/>')
        parts.append(f'<text x="{x + BOX_WIDTH / 2:.0f}" y="{y + 22}" text-anchor="middle">{words}</text>')
    return "".join([*parts, "</svg>"])
