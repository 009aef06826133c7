"""Defines the envelope as a gain curve over time. This is the project's only definition.

A note gates the curve. From the onset the gain rises 0 -> 1 in `attack_ms`, stays at 1 for `hold_ms`,
falls to `sustain` in `decay_ms` and stays there until note-off; from the level reached at note-off it
falls to 0 in `release_ms`. Each segment reaches its target at exactly the stated time. At the fraction x of
its time it has gone

    (1 - exp(-k x)) / (1 - exp(-k))

of its way; k = 0 is a straight line. Each kind of segment has its own constant k
(`manifests.types.Constants`):

- `curve: linear`: 0 for all three;
- `curve: exponential`: 5 for all three: the first 99.3% of an RC circuit's curve, scaled so that it arrives;
- `curve: linear_exponential`: 0 for the attack, 5 for decay and release, as in most synths;
- `curve: A/D/R`: the constants of attack, decay and release themselves, such as `1.2/4/6.9`.

The family holds what synths do. An RC circuit that charges towards a level L > 1 and stops at 1 has
k = -ln(1 - 1/L). A fall that is straight in dB, from 0 dB to the sustain level s, has k = -ln(s); a release
that is straight in dB and ends at -60 dB has k = 6.9. A negative k starts slowly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from manifests.types import DEFAULT_CURVE, Curve, Envelope, curve_constants

EXPONENT = 5.0
"""k of the segments of `curve: exponential`."""

TIME_GRID_MS = 0.1
LEVEL_GRID = 0.001
"""Drawn times (ms) and sustain levels are rounded to these grids, so that a manifest shows exact values."""

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Envelopes:
    """A batch of envelopes of one curve: float64 columns [envelopes, 1], times in ms and above 0."""

    attack_ms: F64
    hold_ms: F64
    decay_ms: F64
    sustain: F64
    release_ms: F64
    curve: Curve = DEFAULT_CURVE

    @classmethod
    def of(cls, values: F64, curve: Curve) -> Envelopes:
        """Makes a batch from rows of attack, hold, decay, sustain, release: float64 [envelopes, 5]."""
        attack, hold, decay, sustain, release = values.T[:, :, None]
        return cls(attack, hold, decay, sustain, release, curve)


def progress(x: F64, k: float) -> F64:
    """Returns the progress 0..1 of a segment of constant `k` at the fraction `x` of its time; any shape.

    >>> progress(np.array([-1.0, 0.5, 2.0]), 0.0).tolist()
    [0.0, 0.5, 1.0]
    """
    x = np.minimum(np.maximum(x, 0.0), 1.0)
    if not k:
        return x
    return np.asarray(np.expm1(-k * x) / np.expm1(-k))


def progress_time(share: float, k: float) -> float:
    """Returns the fraction of its time at which a segment of constant `k` has gone a `share` of its way.

    >>> progress_time(0.5, 0.0), round(progress_time(0.5, 5.0), 3)
    (0.5, 0.137)
    """
    return float(-np.log1p(share * np.expm1(-k)) / k) if k else share


def _fraction(time_ms: F64, start_ms: float | F64, length_ms: float | F64) -> F64:
    """Returns the elapsed fraction of a segment at `time_ms`. A segment of length 0 ends where it starts."""
    if not isinstance(length_ms, np.ndarray) and length_ms <= 0.0:
        return np.where(time_ms >= start_ms, 1.0, 0.0)
    return (time_ms - start_ms) / length_ms


def held_gain(envelope: Envelope | Envelopes, time_ms: F64) -> F64:
    """Returns a held note's gain at `time_ms` after its onset: attack, hold, decay, sustain.

    `time_ms` is float64 [times]. The result is [times], or [envelopes, times] for a batch.
    """
    k = curve_constants(envelope.curve)
    rise = progress(_fraction(time_ms, 0.0, envelope.attack_ms), k.attack)
    fall = progress(_fraction(time_ms, envelope.attack_ms + envelope.hold_ms, envelope.decay_ms), k.decay)
    return rise * (1.0 - (1.0 - envelope.sustain) * fall)


def released_gain(envelope: Envelope | Envelopes, gate_ms: float | F64, time_ms: F64) -> F64:
    """Returns a released note's gain at `time_ms` after its onset; note-off was at `gate_ms`, before that."""
    reached = held_gain(envelope, np.asarray(gate_ms, dtype=np.float64))
    k = curve_constants(envelope.curve).release
    gone = progress(_fraction(time_ms, gate_ms, envelope.release_ms), k)
    return reached * (1.0 - gone)


def gain_curve(envelope: Envelope, gate_ms: float | F64, time_ms: npt.ArrayLike) -> F64:
    """Returns the gain of a note held for `gate_ms`, at `time_ms` after its onset: float64, any shape.

    The gain is 0 before the onset and after the release. It is evaluated in closed form, at any times.

    Example: `gain_curve(Envelope(10, 200, 0.5, 120), gate_ms=500, time_ms=[5, 300])` is [0.5, 0.5].
    """
    time = np.asarray(time_ms, dtype=np.float64)
    released = released_gain(envelope, gate_ms, time)
    gain = np.where(time < gate_ms, held_gain(envelope, time), released)
    return np.where(time < 0.0, 0.0, gain)


def settle_ms(envelope: Envelope) -> float:
    """Returns the time in ms from the onset until a held note reaches its sustain level.

    >>> settle_ms(Envelope(attack_ms=10, decay_ms=200, sustain=0.5, release_ms=120))
    210.0
    """
    return envelope.attack_ms + envelope.hold_ms + envelope.decay_ms
