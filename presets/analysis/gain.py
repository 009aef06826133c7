"""Measures the gain that an envelope gives a note, from the note and the same note without the envelope.

Both notes come from forks of one plugin, so their oscillators mostly start in the same state. Then the waves
agree but for the gain, and a window of 2 ms suffices: the gain is the least-squares factor from one to the
other. If the waves differ (free phases, noise), the gain is the ratio of short-time levels; the window is
then two periods of the tone, at least 10 ms, and the level without the envelope is taken to be steady.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

HOP_MS = 0.5
WINDOW_MS = 2.0
"""Window where the waves agree."""
SHORTEST_LEVEL_MS = 10.0
"""Shortest window where they do not."""
ALIKE = 0.98
"""Waves agree if the correlation of their windows is this high in the mean, weighted by energy."""
QUIET = 0.15
"""Gains are unknown where the reference is quieter than this share of its median level."""
RISING = 0.9
"""Share of its final level at which the reference counts as risen."""
SWELLS = 0.5
"""Share of its final level from which a reference may begin and swell without an attack of its own."""
UNNOTICED_MS = 3.0
"""A reference that rises within this time has no attack of its own to account for."""


@dataclass(frozen=True, eq=False)
class Gain:
    """A measured gain: linear `gain` at `time_ms`, NaN where it is unknown; float64 [points].

    Point i stands for the window of `window_ms` around `time_ms[i]`. `alike` says whether the waves agree.
    """

    time_ms: F64
    gain: F64
    window_ms: float
    alike: bool


def measure_gain(note: F32, plain: F32, rate: int, period_ms: float, fine_ms: float = WINDOW_MS) -> Gain:
    """Measures the gain from `plain` to `note`: float32 [samples] each, of a tone with this period.

    `plain` is the same note, held for as long as the gain is asked for, with an envelope that rises at once
    and stays. If it has an attack of its own, its level corrects the gain there. `fine_ms` is the window
    where the waves agree; the gain is measured every quarter of it.

    Example: `measure_gain(note, plain, 44_100, 3.8).gain`.
    """
    count = min(len(note), len(plain))
    y, r = note[:count].astype(np.float64), plain[:count].astype(np.float64)
    hop = max(1, round(fine_ms / 4.0 * rate / 1000.0))
    narrow = max(2, round(fine_ms * rate / 1000.0))
    own, crossed, other = (_window_sums(x, hop, narrow) for x in (y * y, y * r, r * r))
    heard = np.sqrt(own * other)
    alike = float(np.abs(crossed).sum()) > ALIKE * max(float(heard.sum()), 1e-30)
    window_ms = fine_ms if alike else max(SHORTEST_LEVEL_MS, 2.0 * period_ms)
    wide = max(2, round(max(SHORTEST_LEVEL_MS, 2.0 * period_ms) * rate / 1000.0))
    level = np.sqrt(np.maximum(_window_sums(r * r, hop, wide), 0.0) / wide)
    typical = float(np.median(level)) if len(level) else 0.0
    time_ms = np.arange(len(level)) * hop * 1000.0 / rate
    if alike:
        energy = max((QUIET * typical) ** 2 * narrow, 1e-30)
        gain = np.where(other > energy, crossed / np.maximum(other, energy), np.nan)
        gain *= _rise(level, typical, time_ms, wide * 1000.0 / rate)
    else:
        heard_level = np.sqrt(np.maximum(_window_sums(y * y, hop, wide), 0.0) / wide)
        gain = heard_level / max(typical, 1e-30)
    return Gain(time_ms, gain, window_ms, alike)


def _window_sums(x: F64, hop: int, width: int) -> F64:
    """Sums windows of `width` samples around every `hop`-th sample; what lies outside counts as 0."""
    sums = np.concatenate([[0.0], np.cumsum(x)])
    centres = np.arange(0, len(x), hop)
    low = np.clip(centres - width // 2, 0, len(x))
    high = np.clip(centres - width // 2 + width, 0, len(x))
    return np.asarray(sums[high] - sums[low])


def _rise(level: F64, typical: float, time_ms: F64, window_ms: float) -> F64:
    """Returns the reference's own gain, 0..1, while it rises; 1 everywhere if it rises at once."""
    risen = np.flatnonzero(level >= RISING * typical)
    own = np.ones_like(level)
    if not len(risen):
        return own
    # The window reaches half its length ahead.
    first = int(risen[0])
    early = np.flatnonzero(time_ms >= UNNOTICED_MS + window_ms / 2)
    # A sound that only swells is no attack: it begins loud.
    if not len(early) or first <= early[0] or level[early[0]] > SWELLS * typical:
        return own
    own[:first] = level[:first] / max(typical, 1e-30)
    return own


def expected_gain(known: F64, plain: F32, rate: int, period_ms: float, alike: bool) -> F64:
    """Returns what `measure_gain` measures where a known gain acts on `plain`: float64 [points].

    `known` is float64 [samples]. The windows are the same, so that they bias neither of two gains compared.
    """
    count = min(len(known), len(plain))
    hop = max(1, round(HOP_MS * rate / 1000.0))
    if alike:
        narrow = max(2, round(WINDOW_MS * rate / 1000.0))
        power = np.square(plain[:count], dtype=np.float64)
        weighted = _window_sums(known[:count] * power, hop, narrow)
        return np.asarray(weighted / np.maximum(_window_sums(power, hop, narrow), 1e-30))
    wide = max(2, round(max(SHORTEST_LEVEL_MS, 2.0 * period_ms) * rate / 1000.0))
    return np.sqrt(np.maximum(_window_sums(np.square(known[:count]), hop, wide), 0.0) / wide)


def crossing_ms(time_ms: F64, progress: F64, level: float, start: int = 0) -> float | None:
    """Returns the interpolated time at which a progress, float64 [points], reaches `level` from `start` on.

    Returns None if it never does. Unknown points (NaN) are passed over.
    """
    above = np.flatnonzero(progress[start:] >= level)
    if len(above) == 0:
        return None
    i = start + int(above[0])
    if i == 0 or not np.isfinite(progress[i - 1]) or progress[i] <= progress[i - 1]:
        return float(time_ms[i])
    share = max((level - progress[i - 1]) / (progress[i] - progress[i - 1]), 0.0)
    return float(time_ms[i - 1] + share * (time_ms[i] - time_ms[i - 1]))
