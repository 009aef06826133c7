"""Fits the envelope of samplers to an envelope of ours.

Samplers rise linearly in amplitude. They fall linearly in decibels: SoundFont 2.04, section 8.1.3, and SFZ
players alike. Our falls are linear or exponential in amplitude. So one point of each segment is kept exactly:
the time at which it has covered `SHARE` of its way. For a release that is the time at which it is down by
20 dB.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from manifests.synthesis.envelope import progress_time
from manifests.types import Envelope, InputError, curve_constants

SHARE = 0.9
"""Share of a segment's way whose time is kept."""

QUIETEST = 1e-4
"""Sustain level that counts as silence: -80 dB."""

STEEPEST = 96_000.0
"""Steepest fall in dB/s: one of no duration is over within a millisecond."""

SLOWEST = 0.95
"""Slowest fall in dB/s: SoundFont 2 holds times of 101 s, in which the level falls by 96 dB."""


class SamplerEnvelope(NamedTuple):
    """An envelope in a sampler's terms.

    Attributes:
        attack_s: time of the rise, which is linear in amplitude.
        hold_s: time at the highest level.
        decay: fall in dB/s, until the sustain level is reached.
        sustain: level 0..1.
        release: fall in dB/s, from the level at note-off on.
    """

    attack_s: float
    hold_s: float
    decay: float
    sustain: float
    release: float


def fit_envelope(envelope: Envelope) -> SamplerEnvelope:
    """Fits a sampler's envelope: rise and both falls cover 90% of their way at the right time.

    Raises InputError if decay or release last longer than samplers can hold, some 23 s.

    Example: `fit_envelope(Envelope(10.0, 200.0, 0.5, 120.0)).sustain` is 0.5.
    """
    k = curve_constants(envelope.curve)
    rise = progress_time(SHARE, k.attack) / SHARE
    attack_s = rise * envelope.attack_ms / 1000.0
    settled = max(envelope.sustain, QUIETEST)
    decay = _slope(
        "decay_ms", 1.0 - SHARE * (1.0 - settled), progress_time(SHARE, k.decay) * envelope.decay_ms / 1000.0
    )
    return SamplerEnvelope(
        attack_s,
        (envelope.attack_ms + envelope.hold_ms) / 1000.0 - attack_s,
        decay if settled < 1.0 else STEEPEST,
        settled,
        _slope("release_ms", 1.0 - SHARE, progress_time(SHARE, k.release) * envelope.release_ms / 1000.0),
    )


def _slope(name: str, level: float, seconds: float) -> float:
    """Returns the fall in dB/s that reaches a level, from 1, in a time."""
    fall = -20.0 * math.log10(level)
    slope = min(fall / max(seconds, 1e-6), STEEPEST)
    if level < 1.0 and slope < SLOWEST:
        raise InputError(
            f"envelope {name}: falls by {slope:.2f} dB/s; samplers hold {SLOWEST} dB/s or more: shorten it"
        )
    return slope
