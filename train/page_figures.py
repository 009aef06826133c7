"""The page's own figure: what an envelope is, as SVG."""

from __future__ import annotations

import numpy as np

from manifests.envelope import gain_curve
from manifests.vocabulary import Envelope

EXAMPLE = Envelope(attack_ms=120, hold_ms=60, decay_ms=180, sustain=0.45, release_ms=240)
EXAMPLE_GATE_MS = 600.0


def adsr_svg() -> str:
    """The envelope's parts on one note, drawn from the definition itself (`manifests.envelope`)."""
    left, right, top, floor = 10.0, 470.0, 34.0, 150.0
    end_ms = EXAMPLE_GATE_MS + EXAMPLE.release_ms + 40.0

    def x(ms: float) -> float:
        return left + (right - left) * ms / end_ms

    def y(gain: float) -> float:
        return floor - (floor - top) * gain

    times = np.linspace(0.0, end_ms, 441)
    gains = gain_curve(EXAMPLE, EXAMPLE_GATE_MS, times)
    line = " ".join(f"{x(t):.1f},{y(g):.1f}" for t, g in zip(times, gains, strict=True))
    marks = np.cumsum([0.0, EXAMPLE.attack_ms, EXAMPLE.hold_ms, EXAMPLE.decay_ms]).tolist()
    marks += [EXAMPLE_GATE_MS, EXAMPLE_GATE_MS + EXAMPLE.release_ms]
    names = ("attack", "hold", "decay", "sustain", "release")
    parts = [
        '<svg class="figure" viewBox="0 0 480 192" role="img" aria-label="The envelope of one note: its level'
        " rises during attack, stays during hold, falls during decay to the sustain level, stays there until"
        ' the note ends, and falls to silence during release.">',
        f'<polygon class="fill" points="{x(0):.1f},{floor} {line} {x(end_ms):.1f},{floor}"/>',
        f'<line class="axis" x1="{left}" x2="{right}" y1="{floor}" y2="{floor}"/>',
    ]
    for mark in marks:
        parts.append(
            f'<line class="mark" x1="{x(mark):.1f}" x2="{x(mark):.1f}" y1="{top - 8}" y2="{floor}"/>'
        )
    for name, start, stop in zip(names, marks, marks[1:], strict=False):
        parts.append(f'<text class="name" x="{x((start + stop) / 2):.1f}" y="{top - 14}">{name}</text>')
    held = floor + 14
    parts += [
        f'<polyline class="line" points="{line}"/>',
        f'<line class="gate" x1="{x(0):.1f}" x2="{x(EXAMPLE_GATE_MS):.1f}" y1="{held}" y2="{held}"/>',
        f'<text class="name" x="{x(EXAMPLE_GATE_MS / 2):.1f}" y="{floor + 34}">the note is held</text>',
        "</svg>",
    ]
    return "".join(parts)
