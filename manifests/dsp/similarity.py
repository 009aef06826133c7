"""Compares the end of a tone with what precedes, to find where a loop may begin."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]


def end_similarity(searched: F64, end: F64) -> F64:
    """Computes how similar `end` is to every stretch of `searched`: float64 [tones, searched - width + 1].

    It is 1 minus the normalised squared difference, for all places by an FFT cross-correlation. Both are
    [tones, samples], in units in which an energy of 1 is silence; `end` is `width` samples long.

    >>> end_similarity(np.array([[9.0, 5.0, -5.0, 9.0]]), np.array([[5.0, -5.0]])).argmax(1).tolist()
    [1]
    """
    count, width = end.shape
    padded = 1 << (searched.shape[1] + width).bit_length()
    spectrum = np.fft.rfft(searched, padded) * np.conj(np.fft.rfft(end, padded))
    products = np.fft.irfft(spectrum, padded)[:, : searched.shape[1] - width + 1]
    sums = np.concatenate([np.zeros((count, 1)), np.cumsum(searched**2, axis=1)], axis=1)
    energies = sums[:, width:] - sums[:, : sums.shape[1] - width]
    return np.asarray(2.0 * products / np.maximum(energies + np.sum(end**2, axis=1)[:, None], 1.0))
