"""Triangular filterbanks over the bins of a spectrum.

Mel bands use HTK's scale: mel = 2595 log10(1 + hz / 700) (Young et al., "The HTK Book").
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]


def hz_to_mel(hz: float) -> float:
    """Converts a frequency in Hz to mel.

    >>> round(hz_to_mel(1000.0))
    1000
    """
    return 2595.0 * float(np.log10(1.0 + hz / 700.0))


def mel_edges(lowest_hz: float, highest_hz: float, bands: int) -> F64:
    """Computes the edges of `bands` triangles that are equally wide in mel: Hz, float64 [bands + 2].

    Band b rises from edge b to edge b + 1 and falls to edge b + 2.

    >>> mel_edges(0.0, 8000.0, 3).round().tolist()
    [0.0, 614.0, 1768.0, 3934.0, 8000.0]
    """
    mel = np.linspace(hz_to_mel(lowest_hz), hz_to_mel(highest_hz), bands + 2)
    return np.asarray(700.0 * (10.0 ** (mel / 2595.0) - 1.0))


def triangular_filters(edges: F64, bins: F64, narrowest: float | None = None) -> F64:
    """Computes triangular filters of peak 1 at the frequencies `bins` [bins]: float64 [bins, bands].

    `edges` [bands + 2] and `bins` are in Hz. By default each side reaches the neighbouring centre.
    With `narrowest`, triangles are symmetric: half as wide as their narrower side allows, but at least
    `narrowest` Hz to each side, so that none falls between two bins.

    >>> triangular_filters(np.array([0.0, 2.0, 4.0]), np.arange(5.0))[:, 0].tolist()
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    at = bins[:, None]
    if narrowest is None:
        sides = np.minimum((at - low) / (centre - low), (high - at) / (high - centre))
    else:
        width = np.maximum(np.minimum(centre - low, high - centre), narrowest)
        sides = 1.0 - np.abs(at - centre) / width
    return np.asarray(np.clip(sides, 0.0, None))


def unit_sum(filters: F64) -> F64:
    """Scales each filter of [bins, bands] so that it sums to 1 over the bins. An empty filter stays empty.

    >>> unit_sum(np.array([[1.0], [3.0]]))[:, 0].tolist()
    [0.25, 0.75]
    """
    return np.asarray(filters / np.maximum(filters.sum(0), 1e-9))


def bin_hz(window: int, rate: int) -> F64:
    """Computes the frequencies of a real FFT's bins: Hz, float64 [window // 2 + 1].

    >>> bin_hz(4, 8000).tolist()
    [0.0, 2000.0, 4000.0]
    """
    return np.asarray(np.arange(window // 2 + 1) * rate / window)
