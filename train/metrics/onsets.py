"""Where notes begin: an onset detector, and F1 between two lists of onsets.

The detector is spectral flux on a logarithmic mel spectrum, compared with the strongest of neighbouring
bands a little earlier so that vibrato and beating count less (Böck and Widmer, "Maximum filter vibrato
suppression for onset detection", DAFx 2013), and its peaks above a moving median.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from manifests.dsp.filterbank import bin_hz, triangular_filters, unit_sum

F64 = npt.NDArray[np.float64]

TOLERANCE_S = 0.05
"""Onsets this near are the same (the window of mir_eval and MIREX)."""

WINDOW_S, HOP_S = 0.023, 0.005
LAG = 3
"""Frames back that the spectrum is compared with: 15 ms."""

BANDS = 84
THRESHOLD = 0.08
"""How far a peak stands above the median around it, as mean rise in log10 units a band."""

GOES_ON = 0.03
"""An onset after which the energy is below this share (-15 dB) of that before it is an end."""

NO_SOUND = 1e-5
"""A sound whose RMS is below this (-100 dBFS) has no onset."""

NEAREST_S = 0.04
"""Of two peaks closer than this the higher one counts."""


@lru_cache(maxsize=8)
def _mel(rate: int, window: int) -> F64:
    """Triangles a quarter tone to a third of an octave wide, [bins, BANDS], 60 Hz to 16 kHz."""
    top = min(16_000.0, 0.45 * rate)
    edges = 60.0 * (top / 60.0) ** (np.arange(BANDS + 2) / (BANDS + 1))
    return unit_sum(triangular_filters(edges, bin_hz(window, rate), narrowest=rate / window))


def onset_strength(audio: npt.ArrayLike, rate: int) -> F64:
    """Mean positive rise over bands, [frames] every `HOP_S`, frame i centred at i * HOP_S."""
    sound = np.asarray(audio, dtype=np.float64)
    window, hop = 2 * round(WINDOW_S * rate / 2), round(HOP_S * rate)
    padded = np.pad(sound, (window // 2 + LAG * hop, window // 2))
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    shape = np.hanning(window + 1)[:-1]
    bands = np.abs(np.fft.rfft(frames * shape, axis=-1)) @ _mel(rate, window)
    peak = float(bands.max(initial=0.0))
    if peak <= 1e-6:
        return np.zeros(len(bands) - LAG)
    level = np.log10(bands / peak + 1e-3)
    wide = np.pad(level, ((0, 0), (1, 1)), mode="edge")
    before = np.maximum(np.maximum(wide[:, :-2], wide[:, 1:-1]), wide[:, 2:])
    return np.asarray(np.maximum(level[LAG:] - before[:-LAG], 0.0).mean(axis=1))


def detect_onsets(audio: npt.ArrayLike, rate: int) -> F64:
    """Onsets of mono audio [samples] in seconds, ascending."""
    sound = np.asarray(audio, dtype=np.float64)
    if not len(sound) or float(np.sqrt(np.mean(sound**2))) < NO_SOUND:
        return np.zeros(0)
    strength = onset_strength(audio, rate)
    if not len(strength) or strength.max() <= 0.0:
        return np.zeros(0)
    reach = round(0.1 / HOP_S)
    padded = np.pad(strength, reach, mode="constant")
    median = np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1), axis=1)
    above = strength - median
    near = round(NEAREST_S / HOP_S)
    ringed = np.pad(above, near, mode="constant", constant_values=-1.0)
    highest = np.lib.stride_tricks.sliding_window_view(ringed, 2 * near + 1).max(axis=1)
    peaks = np.flatnonzero((above == highest) & (above > THRESHOLD))
    # The rise is steepest in the middle of what window and lag span: the note began half a lag earlier.
    times = np.maximum((peaks - (LAG - 1) / 2.0) * HOP_S, 0.0)
    times = times[_sounds_on(audio, rate, times)]
    keep = np.concatenate([[True], np.diff(times) > NEAREST_S]) if len(times) else np.zeros(0, dtype=bool)
    return np.asarray(times[keep])


def _sounds_on(audio: npt.ArrayLike, rate: int, times: F64) -> npt.NDArray[np.bool_]:
    """Whether the sound goes on after each of `times`: a hard end splashes over all bands, as onsets do."""
    energy = np.concatenate([[0.0], np.cumsum(np.square(np.asarray(audio, dtype=np.float64)))])
    at = np.minimum((times * rate).astype(np.int64), len(energy) - 1)
    gap, reach = round(0.01 * rate), round(0.04 * rate)
    after = energy[np.minimum(at + reach, len(energy) - 1)] - energy[np.minimum(at + gap, len(energy) - 1)]
    before = energy[np.maximum(at - gap, 0)] - energy[np.maximum(at - reach, 0)]
    return np.asarray(after > GOES_ON * before)


def onset_f1(estimate: Sequence[float] | F64, target: Sequence[float] | F64) -> float | None:
    """F1 of two ascending lists of onsets in seconds: each is matched once at most, within 50 ms.

    None where the target has no onset. The earliest possible match, taken in turn, is a largest one.
    """
    if len(target) == 0:
        return None
    hits = place = 0
    for onset in target:
        while place < len(estimate) and estimate[place] < onset - TOLERANCE_S - 1e-9:
            place += 1
        if place < len(estimate) and estimate[place] <= onset + TOLERANCE_S + 1e-9:
            hits += 1
            place += 1
    return 2.0 * hits / (len(estimate) + len(target))
