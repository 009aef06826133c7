"""Estimates the ripple of a short-time level: how a periodic tone's power varies within its period.

A short window sees the phase within a tone's period besides the envelope. For a low note with a fast attack
that would cost the estimator a few ms. A first fit gives the gain g, hence the tone's power x^2 / g^2. If
the power is periodic, folding it over its period gives a profile, which the prediction then includes. A
tone without a period folds to a flat profile or yields none, and changes nothing.
"""

from __future__ import annotations

import numpy as np

from manifests.estimation.model import Measured, cut_shape
from manifests.synthesis.envelope import F64, gain_curve
from manifests.types import Envelope

LOWEST_HZ, HIGHEST_HZ = 28.0, 2500.0
ALIKE = 0.5
"""Least autocorrelation of a periodic tone's power at one period."""

PERIODS = 4
"""Fewest periods to fold."""

AUDIBLE = 0.05
"""Least gain, re the note's largest, at which the tone's power is measured."""


def ripple(sound: F64, measured: Measured, envelope: Envelope, rate: int, cut_fade_ms: float) -> F64:
    """Returns the tones' power re their mean at each measured point, given the envelope: float64 [points]."""
    places = measured.places
    factor = np.ones(len(places.time_ms))
    per_ms = 1000.0 / rate
    for start, onset, gate, end, points in zip(
        places.starts, places.onsets, places.gates, places.ends, places.counts, strict=True
    ):
        length = int(points) * places.hop
        time = np.arange(length, dtype=np.float64) * per_ms
        gain = gain_curve(envelope, float(gate), time) * cut_shape(time, float(end), cut_fade_ms)
        profile = _profile(np.square(sound[onset : onset + length]), gain * gain, rate)
        if profile is not None:
            factor[start : start + points] = profile.reshape(int(points), places.hop).mean(axis=1)
    return factor


def _profile(power: F64, gain2: F64, rate: int) -> F64 | None:
    """Returns the periodic part of power / gain2 at every sample, with mean 1; None without a period."""
    audible = np.flatnonzero(gain2 > AUDIBLE**2 * gain2.max(initial=0.0))
    if len(audible) == 0:
        return None
    first, last = audible[0], audible[-1] + 1
    heard, shaped = power[first:last], gain2[first:last]
    length = period(heard / np.maximum(shaped, 1e-9), rate)
    if length is None or last - first < PERIODS * length:
        return None
    bins = int(np.clip(length / 2, 16, 128))
    phase = np.arange(len(power)) / length % 1.0 * bins
    place = np.minimum(phase[first:last].astype(np.int64), bins - 1)
    folded = np.bincount(place, heard, bins) / np.maximum(np.bincount(place, shaped, bins), 1e-12)
    folded /= max(float(folded.mean()), 1e-12)
    around = np.concatenate([folded[-1:], folded, folded[:1]])
    return np.asarray(np.interp(phase, np.arange(-1, bins + 1) + 0.5, around))


def period(power: F64, rate: int) -> float | None:
    """Returns the period of a tone's power, float64 [n], in fractional samples; None if it is aperiodic.

    It is the first high peak of the normalised autocorrelation, refined at multiples of its lag.
    """
    likeness = autocorrelation(power)
    low, high = int(rate / HIGHEST_HZ), min(int(rate / LOWEST_HZ), len(power) // 3)
    if high < low + 3:
        return None
    lags = likeness[low:high]
    peaks = np.flatnonzero((lags[1:-1] >= lags[:-2]) & (lags[1:-1] >= lags[2:])) + 1
    if len(peaks) == 0 or (best := float(lags[peaks].max())) < ALIKE:
        return None
    length = float(low + peaks[lags[peaks] >= best - 0.1][0])
    times, reach = 1, 2.0
    while times * length + reach + 2 < 0.7 * len(power):
        length = _peak_near(likeness, times * length, reach) / times
        times *= 2
        reach = 2.0 + 0.02 * length
    return length


def autocorrelation(power: F64) -> F64:
    """Returns the normalised autocorrelation over the overlap at each lag: float64 [lags], 1 at lag 0."""
    centred = power - power.mean()
    size = 1 << (2 * len(centred) - 1).bit_length()  # a power of two: other lengths can be ten times slower
    spectrum = np.fft.rfft(centred, size)
    products = np.fft.irfft(np.abs(spectrum) ** 2)[: len(centred)]
    energy = np.concatenate([[0.0], np.cumsum(centred**2)])
    head, tail = energy[:0:-1], energy[-1] - energy[:-1]
    return np.asarray(products / np.maximum(np.sqrt(head * tail), 1e-12 * max(energy[-1], 1e-300)))


def _peak_near(likeness: F64, lag: float, reach: float) -> float:
    """Returns the fractional lag of the largest value within `reach` of `lag`, by a parabola."""
    low, high = max(int(lag - reach), 1), int(lag + reach) + 2
    at = low + int(np.argmax(likeness[low:high]))
    before, here, after = likeness[at - 1 : at + 2]
    bend = before - 2.0 * here + after
    # There may be no peak within reach, so the parabola's shift is limited.
    return at + (float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < 0.0 else 0.0)
