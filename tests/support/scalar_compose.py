"""A scalar reference of composing: one sample at a time in plain Python.

`python -m tests.support.scalar_compose` writes manifests/synthesis/vectors.json from it.
"""

from __future__ import annotations

import json
import math
from typing import Any

from tests.support.paths import ROOT

VECTORS = ROOT / "manifests" / "synthesis" / "vectors.json"


NAMED = {"linear": (0, 0, 0), "exponential": (5, 5, 5), "linear_exponential": (0, 5, 5)}


def constants(curve: str) -> tuple[float, ...]:
    return NAMED[curve] if curve in NAMED else tuple(float(k) for k in curve.split("/"))


def shape(x: float, k: float) -> float:
    x = min(max(x, 0.0), 1.0)
    return x if k == 0 else (1 - math.exp(-k * x)) / (1 - math.exp(-k))


def held(e: dict[str, Any], t: float) -> float:
    attack, hold, decay = e["attack_ms"], e["hold_ms"], e["decay_ms"]
    if t < attack:
        return shape(t / attack, constants(e["curve"])[0])
    t -= attack + hold
    if t < 0:
        return 1.0
    down = shape(t / decay, constants(e["curve"])[1]) if decay > 0 else 1.0
    return 1.0 - (1.0 - e["sustain"]) * down


def note_gain(e: dict[str, Any], gate: float, t: float) -> float:
    if t < gate:
        return held(e, t)
    k = constants(e["curve"])[2]
    left = 1.0 - shape((t - gate) / e["release_ms"], k) if e["release_ms"] > 0 else 0.0
    return held(e, gate) * left


def clip_gain(
    notes: list[list[float]], e: dict[str, Any], rate: int, frames: int, fade_ms: float
) -> list[float]:
    """Returns the gain of every sample for notes [onset s, duration s, pitch, velocity]."""
    fade = math.floor(fade_ms / 1000 * rate + 0.5)
    starts = [math.floor(n[0] * rate + 0.5) for n in notes]
    out = [0.0] * frames
    for i, (onset, duration, _, velocity) in enumerate(notes):
        start, end = starts[i], (starts[i + 1] if i + 1 < len(notes) else frames)
        off = min(math.floor((onset + duration) * rate + 0.5), end)
        for n in range(start, end):
            gain = velocity / 127 * note_gain(e, (off - start) * 1000 / rate, (n - start) * 1000 / rate)
            if n >= end - fade:
                gain *= 0.5 + 0.5 * math.cos(math.pi * (n - (end - fade) + 0.5) / fade)
            out[n] = gain
    return out


CASES: list[dict[str, Any]] = [
    {
        "notes": [[0.02, 0.10, 60, 127], [0.15, 0.05, 64, 90], [0.20, 0.10, 55, 64]],
        "envelope": {
            "attack_ms": attack, "hold_ms": hold, "decay_ms": decay, "sustain": sustain,
            "release_ms": release, "curve": curve,
        },
        "rate": 2000,
        "frames": 700,
        "cut_fade_ms": 3.0,
    }
    for curve in ("linear", "exponential", "linear_exponential", "1.2/3/6.9", "-2/0/-4.5")
    for attack, hold, decay, sustain, release in (
        (10.0, 5.0, 30.0, 0.5, 40.0), (80.0, 0.0, 60.0, 0.2, 200.0), (0.0, 0.0, 0.0, 0.3, 0.0),
    )
]  # fmt: skip

if __name__ == "__main__":
    for case in CASES:
        gain = clip_gain(case["notes"], case["envelope"], case["rate"], case["frames"], case["cut_fade_ms"])
        case["gain"] = [round(value, 9) for value in gain]
    VECTORS.write_text(json.dumps(CASES, separators=(",", ":")) + "\n")
