"""The one definition of the envelope, as a gain curve over time.

A note gates the curve. From the onset the gain rises 0 -> 1 in `attack_ms`, stays at 1 for `hold_ms`,
falls to `sustain` in `decay_ms` and stays there until note-off; from the level reached at note-off it
falls to 0 in `release_ms`. Each segment reaches its target at exactly the stated time:

- `curve: linear`: straight lines in amplitude;
- `curve: exponential`: (1 - exp(-k x)) / (1 - exp(-k)) of the way at the fraction x of the segment,
  k = 5: the shape of an RC circuit, scaled so that it arrives.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from manifests.types import Curve, Envelope

EXPONENT = 5.0
"""k of the exponential segments: they are at 1 - exp(-5) = 99.3% of an RC curve's way when they arrive."""

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Envelopes:
    """Several envelopes of one curve, to be evaluated at once: columns [envelopes, 1], lengths above 0 ms."""

    attack_ms: F64
    hold_ms: F64
    decay_ms: F64
    sustain: F64
    release_ms: F64
    curve: Curve = "linear"

    @classmethod
    def of(cls, values: F64, curve: Curve) -> Envelopes:
        """From rows of attack, hold, decay, sustain, release: float64 [envelopes, 5]."""
        attack, hold, decay, sustain, release = values.T[:, :, None]
        return cls(attack, hold, decay, sustain, release, curve)


def progress(x: F64, curve: Curve) -> F64:
    """How far a segment has come, 0..1, at the fraction `x` of its time (clipped to 0..1)."""
    x = np.minimum(np.maximum(x, 0.0), 1.0)
    if curve == "linear":
        return x
    return np.asarray(np.expm1(-EXPONENT * x) / np.expm1(-EXPONENT))


def _fraction(time_ms: F64, start_ms: float | F64, length_ms: float | F64) -> F64:
    """The fraction of a segment passed at `time_ms`; a segment of no length is over once it starts."""
    if not isinstance(length_ms, np.ndarray) and length_ms <= 0.0:
        return np.where(time_ms >= start_ms, 1.0, 0.0)
    return (time_ms - start_ms) / length_ms


def held_gain(envelope: Envelope | Envelopes, time_ms: F64) -> F64:
    """The gain at `time_ms` after the onset while the note is held: attack, hold, decay, sustain.

    Of several envelopes: [envelopes, times].
    """
    rise = progress(_fraction(time_ms, 0.0, envelope.attack_ms), envelope.curve)
    fall = progress(
        _fraction(time_ms, envelope.attack_ms + envelope.hold_ms, envelope.decay_ms), envelope.curve
    )
    return rise * (1.0 - (1.0 - envelope.sustain) * fall)


def released_gain(envelope: Envelope | Envelopes, gate_ms: float | F64, time_ms: F64) -> F64:
    """The gain at `time_ms` after the onset of a note that was let go at `gate_ms`, before it."""
    reached = held_gain(envelope, np.asarray(gate_ms, dtype=np.float64))
    return reached * (1.0 - progress(_fraction(time_ms, gate_ms, envelope.release_ms), envelope.curve))


def gain_curve(envelope: Envelope, gate_ms: float | F64, time_ms: npt.ArrayLike) -> F64:
    """The gain of a note held for `gate_ms`, at `time_ms` after its onset (float64, any shape).

    Zero before the onset and after the release. Evaluated in closed form: any times, in any order.
    """
    time = np.asarray(time_ms, dtype=np.float64)
    released = released_gain(envelope, gate_ms, time)
    gain = np.where(time < gate_ms, held_gain(envelope, time), released)
    return np.where(time < 0.0, 0.0, gain)


def settle_ms(envelope: Envelope) -> float:
    """When a held note has reached its sustain level, in ms after the onset."""
    return envelope.attack_ms + envelope.hold_ms + envelope.decay_ms
