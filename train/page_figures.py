"""The page's own figure: an envelope on one note, drawn from its definition, as SVG."""

from __future__ import annotations

import numpy as np

from manifests.envelope import gain_curve, settle_ms
from manifests.vocabulary import Envelope

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
