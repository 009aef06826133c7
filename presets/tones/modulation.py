"""Modulates single tones for altered timbres: inharmonic partials, and levels, pitches and spectra that move.

`train.data.bank.modulate` does the same to phrases, in torch. Here every modulation begins at the tone's
first sample, and so anew at each onset.

Array names: F samples of a tone, X points of a slow curve.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from manifests.splits.seeds import counter_uniforms
from manifests.synthesis.recipe import (
    CHORUS_MS,
    DRIFT_DB,
    DRIFT_POINTS_HZ,
    HIGHEST_PARTIAL,
    RMS,
    Inharmonic,
    Motion,
)

F64 = npt.NDArray[np.float64]


def add_inharmonic(dry_F: F64, how: Inharmonic, pitch: int, rate: int) -> F64:
    """Ring modulates a tone, and adds partials at inharmonic ratios: float64 [F].

    The ratios of a free bar and of stiff strings are those of Fletcher and Rossing, "The Physics of Musical
    Instruments" (1998). `pitch` is the sounding one (MIDI), `rate` in Hz.
    """
    hertz = 440.0 * 2.0 ** ((pitch - 69) / 12.0)
    turns_F = np.arange(len(dry_F)) * (hertz / rate)
    if how.ring:
        modulator_F = np.cos(2.0 * np.pi * np.modf(turns_F * how.ring_ratio)[0])
        dry_F = dry_F * (1.0 - how.ring + how.ring * math.sqrt(2.0) * modulator_F)
    if how.ratios:
        partials_F = np.zeros_like(dry_F)
        for ratio in how.ratios:
            if hertz * ratio < HIGHEST_PARTIAL * rate:
                partials_F += np.sin(2.0 * np.pi * np.modf(turns_F * ratio)[0])
        fall_F = np.exp(np.arange(len(dry_F)) * (-math.log(1000.0) / (how.decay_s * rate)))
        level = RMS * 10.0 ** (how.level_db / 20.0) * math.sqrt(2.0 / len(how.ratios))
        dry_F = dry_F + partials_F * fall_F * level
    return dry_F


def move(dry_F: F64, how: Motion, key: int, rate: int) -> F64:
    """Applies a movement to a tone: float64 [F]. `key` is that of a drifting level's random numbers.

    Chorus and vibrato are modulated delays (Dattorro, "Effect Design, Part 2", J. Audio Eng. Soc. 1997).
    """
    since_F = np.arange(len(dry_F), dtype=np.float64)
    turn_F = 2.0 * np.pi * how.rate_hz / rate * since_F
    if how.kind == "drift":
        return dry_F * 10.0 ** (DRIFT_DB * how.depth / 20.0 * _slow_noise(len(dry_F), key, rate))
    if how.kind == "tremolo":
        return dry_F * (1.0 - how.depth * 0.25 * (1.0 - np.cos(turn_F)))
    if how.kind == "vibrato":
        # A delay of d (1 - cos wt) moves the pitch by at most d w.
        cents = 5.0 + 35.0 * how.depth
        largest = (2.0 ** (cents / 1200.0) - 1.0) * rate / (2.0 * np.pi * how.rate_hz)
        return _delayed(dry_F, largest * (1.0 - np.cos(turn_F)))
    if how.kind == "chorus":
        delay_F = CHORUS_MS * rate / 1000.0 * (1.0 - 0.3 * np.cos(turn_F))
        return (dry_F + _delayed(dry_F, delay_F)) * math.sqrt(0.5)
    frequency = np.fft.rfftfreq(len(dry_F), 1.0 / rate)
    response = 1.0 / (1.0 + np.square(frequency / how.corner_hz))
    closed_F = np.fft.irfft(np.fft.rfft(dry_F) * response, n=len(dry_F))
    return closed_F + (dry_F - closed_F) * np.exp(since_F * (-how.rate_hz / rate))


def breath(frames: int, centre_hz: float, key: int, rate: int) -> F64:
    """Draws noise in a band about two octaves wide around `centre_hz`, with an RMS of 1: float64 [frames]."""
    white = counter_uniforms(key, 1, frames)[0] * 2.0 - 1.0
    octave = np.log2(np.maximum(np.fft.rfftfreq(frames, 1.0 / rate), 1.0)) - math.log2(centre_hz)
    band = np.fft.irfft(np.fft.rfft(white) * np.exp(-np.square(octave)), n=frames)
    return np.asarray(band / max(float(np.sqrt(np.mean(np.square(band)))), 1e-9))


def _delayed(dry_F: F64, delay_F: F64) -> F64:
    """Reads a tone `delay_F` samples late, by linear interpolation; before its start it is mirrored.

    Held at its first sample instead, a note would begin with a thump.
    """
    place_F = np.abs(np.arange(len(dry_F)) - delay_F)
    whole_F = np.minimum(place_F.astype(np.int64), len(dry_F) - 1)
    early, late = dry_F[whole_F], dry_F[np.minimum(whole_F + 1, len(dry_F) - 1)]
    return np.asarray(early + (late - early) * (place_F - whole_F))


def _slow_noise(frames: int, key: int, rate: int) -> F64:
    """Draws a smooth random curve within -1..1: float64 [frames]."""
    value_X = counter_uniforms(key, 1, math.ceil(frames / rate * DRIFT_POINTS_HZ) + 2)[0] * 2.0 - 1.0
    place_F = np.arange(frames) * (DRIFT_POINTS_HZ / rate)
    whole_F = place_F.astype(np.int64)
    share_F = 0.5 - 0.5 * np.cos(np.pi * (place_F - whole_F))
    return np.asarray(value_X[whole_F] + (value_X[whole_F + 1] - value_X[whole_F]) * share_F)
