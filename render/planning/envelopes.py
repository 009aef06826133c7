"""Samples envelopes from the config's families, each from its own random stream."""

from __future__ import annotations

from manifests.splits.seeds import uniform
from manifests.synthesis.envelope import LEVEL_GRID, TIME_GRID_MS
from manifests.types import Envelope
from render.config import Config, Family, Range


def _draw(seed: int, bounds: Range, step: float, *what: str | int) -> float:
    """Draws a value on a decimal grid, so that the manifest shows exactly what was rendered."""
    value = uniform(seed, bounds.low, bounds.high, "envelope", *what)
    return min(max(round(round(value / step) * step, 6), bounds.low), bounds.high)


def draw_envelope(seed: int, name: str, index: int, family: Family, attempt: int = 0) -> Envelope:
    """Draws envelope `index` of the family `name`. `attempt` counts its redraws."""
    what = (name, index, attempt) if attempt else (name, index)

    def time(field: str, bounds: Range) -> float:
        return _draw(seed, bounds, TIME_GRID_MS, *what, field)

    return Envelope(
        attack_ms=time("attack_ms", family.attack_ms),
        hold_ms=time("hold_ms", family.hold_ms),
        decay_ms=time("decay_ms", family.decay_ms),
        sustain=_draw(seed, family.sustain, LEVEL_GRID, *what, "sustain"),
        release_ms=time("release_ms", family.release_ms),
        curve=family.curve,
    )


def draw_envelopes(config: Config) -> list[tuple[str, Envelope]]:
    """Draws all envelopes of a config; returns (family name, envelope) in the order of family names."""
    return [
        (name, draw_envelope(config.seed, name, index, config.envelopes[name]))
        for name in sorted(config.envelopes)
        for index in range(config.envelopes[name].count)
    ]
