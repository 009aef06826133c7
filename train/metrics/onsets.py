"""Onset detection, and the F1 score of two lists of onsets.

The detector is spectral flux on a logarithmic mel-like spectrum. Each band is compared with the strongest of
its neighbours a little earlier, so that vibrato and beating count less (Böck and Widmer, "Maximum filter
vibrato suppression for onset detection", DAFx 2013). Onsets are peaks above a moving median.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from manifests.dsp.filterbank import bin_hz, triangular_filters, unit_sum

F64 = npt.NDArray[np.float64]

TOLERANCE_S = 0.05
"""Onsets this close match (the window of mir_eval and MIREX)."""

WINDOW_S, HOP_S = 0.023, 0.005
LAG = 3
"""Frames between the two spectra compared: 15 ms."""

BANDS = 84
THRESHOLD = 0.08
"""Least height of a peak above the local median: mean rise per band, in log10 units."""

GOES_ON = 0.03
"""An onset is taken for an end if the energy after it is below this share (-15 dB) of that before it."""

NO_SOUND = 1e-5
"""RMS below which (-100 dBFS) a sound has no onset."""

NEAREST_S = 0.04
"""Of two peaks closer than this, in seconds, the higher one counts."""


@lru_cache(maxsize=8)
def _filters(rate: int, window: int) -> F64:
    """Triangular filters, equally wide on a logarithmic scale from 60 Hz to 16 kHz: float64 [bins, BANDS]."""
    top = min(16_000.0, 0.45 * rate)
    edges = 60.0 * (top / 60.0) ** (np.arange(BANDS + 2) / (BANDS + 1))
    return unit_sum(triangular_filters(edges, bin_hz(window, rate), narrowest=rate / window))


def onset_strength(audio: npt.ArrayLike, rate: int) -> F64:
    """Computes the onset strength of mono audio [samples] at `rate` Hz: float64 [frames].

    It is the mean positive rise over the bands, in log10 units. Frame i is centred at i * `HOP_S` seconds.
    """
    sound = np.asarray(audio, dtype=np.float64)
    window, hop = 2 * round(WINDOW_S * rate / 2), round(HOP_S * rate)
    padded = np.pad(sound, (window // 2 + LAG * hop, window // 2))
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    shape = np.hanning(window + 1)[:-1]
    bands = np.abs(np.fft.rfft(frames * shape, axis=-1)) @ _filters(rate, window)
    peak = float(bands.max(initial=0.0))
    if peak <= 1e-6:
        return np.zeros(len(bands) - LAG)
    level = np.log10(bands / peak + 1e-3)
    wide = np.pad(level, ((0, 0), (1, 1)), mode="edge")
    before = np.maximum(np.maximum(wide[:, :-2], wide[:, 1:-1]), wide[:, 2:])
    return np.asarray(np.maximum(level[LAG:] - before[:-LAG], 0.0).mean(axis=1))


def detect_onsets(audio: npt.ArrayLike, rate: int) -> F64:
    """Detects the onsets of mono audio [samples] at `rate` Hz: seconds, float64 [onsets], ascending.

    Example: `detect_onsets(np.zeros(44_100), 44_100)` is empty.
    """
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
    # The rise is steepest halfway through the lag, so the note began half a lag earlier.
    times = np.maximum((peaks - (LAG - 1) / 2.0) * HOP_S, 0.0)
    times = times[_continues(audio, rate, times)]
    keep = np.concatenate([[True], np.diff(times) > NEAREST_S]) if len(times) else np.zeros(0, dtype=bool)
    return np.asarray(times[keep])


def _continues(audio: npt.ArrayLike, rate: int, times: F64) -> npt.NDArray[np.bool_]:
    """Tells whether the sound goes on after each of `times` (seconds): abrupt ends look like onsets."""
    energy = np.concatenate([[0.0], np.cumsum(np.square(np.asarray(audio, dtype=np.float64)))])
    at = np.minimum((times * rate).astype(np.int64), len(energy) - 1)
    gap, reach = round(0.01 * rate), round(0.04 * rate)
    after = energy[np.minimum(at + reach, len(energy) - 1)] - energy[np.minimum(at + gap, len(energy) - 1)]
    before = energy[np.maximum(at - gap, 0)] - energy[np.maximum(at - reach, 0)]
    return np.asarray(after > GOES_ON * before)


def onset_f1(estimate: Sequence[float] | F64, target: Sequence[float] | F64) -> float | None:
    """Computes the F1 score of two ascending lists of onsets in seconds, or None if the target has none.

    Onsets match within 50 ms, each at most once. Taking the earliest possible match each time gives the most
    matches.

    Example: `onset_f1([0.0, 1.0], [0.02])` is 2/3.
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
