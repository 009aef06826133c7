"""Computes a timbre's spectral fingerprint: mel-band levels of three tones, relative to the loudest band.

`manifests.splits.clusters.timbres_alike` compares fingerprints.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from manifests.dsp.filterbank import mel_edges, triangular_filters

F32 = npt.NDArray[np.float32]

BANDS = 40
TONE_POSITIONS = (0.15, 0.5, 0.85)
"""The tones that are analysed, as fractions of the range of pitches."""
LOWEST_HZ, HIGHEST_HZ = 40.0, 16000.0
WINDOW = 4096
FLOOR_DB = -60.0


@lru_cache(maxsize=4)
def mel_bands(rate: int) -> F32:
    """Returns triangular filters spaced evenly in mel (HTK's formula): float32 [BANDS, bins]."""
    edges = mel_edges(LOWEST_HZ, min(HIGHEST_HZ, rate / 2), BANDS)
    bins = np.fft.rfftfreq(WINDOW, 1.0 / rate).astype(np.float64)
    filters = triangular_filters(edges, bins)
    return np.ascontiguousarray(filters.T, dtype=np.float32)


def mel_power(tone: F32, rate: int) -> npt.NDArray[np.float64]:
    """Computes a tone's mean power in mel bands over up to 16 Hann windows: [samples] to float64 [BANDS]."""
    window = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
    count = max(1, min(16, len(tone) // WINDOW))
    padded = np.pad(tone, (0, max(0, WINDOW - len(tone))))
    starts = np.linspace(0, len(padded) - WINDOW, count).astype(int)
    power = np.mean([np.abs(np.fft.rfft(padded[s : s + WINDOW] * window)) ** 2 for s in starts], axis=0)
    # A plain sum, not a matrix product: the same bits with any number of threads.
    return np.array([np.sum(band * power) for band in mel_bands(rate)], dtype=np.float64)


def mel_levels_db(power: npt.NDArray[np.float64], floor_db: float = FLOOR_DB) -> F32:
    """Converts mel power [BANDS] to dB re the loudest band, at least `floor_db`: float32 [BANDS]."""
    levels: npt.NDArray[np.float64] = 10.0 * np.log10(np.maximum(power, 1e-20))
    return np.asarray(np.maximum(levels - levels.max(), floor_db), dtype=np.float32)


def mel_fingerprint(tones: Sequence[F32], rate: int) -> F32:
    """Computes the mel levels of a low, a middle and a high tone, concatenated: float32 [3 * BANDS] in dB.

    `tones` are float32 [samples] each, by rising pitch.

    Example::

        distance_db = np.sqrt(np.mean((mel_fingerprint(a, rate) - mel_fingerprint(b, rate)) ** 2))
    """
    chosen = [round(place * (len(tones) - 1)) for place in TONE_POSITIONS]
    return np.concatenate([mel_levels_db(mel_power(tones[i], rate)) for i in chosen])
